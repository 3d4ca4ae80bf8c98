#include "bench/ann/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace nestor::bench::ann {
namespace {

constexpr double kWidth = 960, kHeight = 600, kLeft = 90, kRight = 230, kTop = 70, kBottom = 70;
constexpr double kBestRecall = 0.9999;  // where the recall axis ends; what is better is drawn there

// Told apart also without colours: the marks differ, too.
constexpr std::array<const char*, 8> kColours = {"#c0392b", "#2471a3", "#1e8449", "#b7950b",
                                                 "#7d3c98", "#566573", "#d35400", "#148f77"};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

template <class... Arguments>
std::string format(const char* pattern, Arguments... arguments) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, arguments...);
  return text;
}

std::string short_number(double value) {
  if (value >= 1e6) return format("%gM", value / 1e6);
  if (value >= 1e3) return format("%gk", value / 1e3);
  return format("%g", value);
}

struct Tick {
  double value;
  std::string label;
};

// 1, 2, 5 of every decade that the range touches.
std::vector<Tick> decade_ticks(double low, double high) {
  std::vector<Tick> ticks;
  for (double decade = std::pow(10, std::floor(std::log10(low))); decade <= high * 1.0001; decade *= 10)
    for (const double step : {1.0, 2.0, 5.0})
      if (const double v = decade * step; v >= low * 0.9999 && v <= high * 1.0001)
        ticks.push_back({v, short_number(v)});
  return ticks;
}

std::vector<Tick> even_ticks(double low, double high) {
  const double rough = (high - low) / 6, decade = std::pow(10, std::floor(std::log10(rough)));
  double step = decade;
  for (const double factor : {2.0, 5.0, 10.0})
    if (step < rough) step = decade * factor;
  std::vector<Tick> ticks;
  for (double v = std::ceil(low / step) * step; v <= high * 1.0001; v += step) ticks.push_back({v, short_number(v)});
  return ticks;
}

std::string mark(std::size_t line, double x, double y, bool connected) {
  const char* colour = kColours[line % kColours.size()];
  if (!connected)
    return format(
        "<path d='M%.1f %.1fl3 6 6.6 .6-5 4.4 1.5 6.5-6.1-3.5-6.1 3.5 1.5-6.5-5-4.4 6.6-.6z' fill='%s' "
        "stroke='#222'/>\n",
        x, y - 9, colour);
  switch (line % 4) {
    case 0:
      return format("<circle cx='%.1f' cy='%.1f' r='4' fill='%s'/>\n", x, y, colour);
    case 1:
      return format("<rect x='%.1f' y='%.1f' width='7' height='7' fill='%s'/>\n", x - 3.5, y - 3.5, colour);
    case 2:
      return format("<path d='M%.1f %.1fl5 8.6h-10z' fill='%s'/>\n", x, y - 5.5, colour);
    default:
      return format("<path d='M%.1f %.1fl5 5-5 5-5-5z' fill='%s'/>\n", x, y - 5, colour);
  }
}

// Where values fall on the page.
class Frame {
 public:
  explicit Frame(const SvgPlot& plot) : plot_(plot) {
    double x_low = 1e300, x_high = -1e300, y_low = 1e300, y_high = -1e300;
    for (const PlotLine& line : plot.lines)
      for (const PlotPoint& p : line.points) {
        x_low = std::min(x_low, p.x);
        x_high = std::max(x_high, p.x);
        y_low = std::min(y_low, p.y);
        y_high = std::max(y_high, p.y);
      }
    if (x_low > x_high) x_low = 0.9, x_high = 0.99, y_low = 1, y_high = 10;  // nothing to draw: an empty frame
    if (plot.axis == HorizontalAxis::recall) {
      x_low = std::clamp(x_low, 0.5, 0.89);
      x_high = std::clamp(x_high, 0.99, kBestRecall);
    }
    if (x_high <= x_low) x_high = x_low * 2;
    if (!plot.y_logarithmic)
      y_low = 0;
    else
      y_low /= 1.3;
    y_high = std::max(y_high * 1.3, y_low * 2);
    x_low_ = x_low, x_high_ = x_high, y_low_ = y_low, y_high_ = y_high;
  }

  double x(double value) const {
    const double low = across(x_low_), high = across(x_high_);
    return kLeft + (across(std::clamp(value, x_low_, x_high_)) - low) / (high - low) * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    const double low = up(y_low_), high = up(y_high_);
    return kHeight - kBottom - (up(std::max(value, y_low_)) - low) / (high - low) * (kHeight - kTop - kBottom);
  }
  std::vector<Tick> x_ticks() const {
    if (plot_.axis == HorizontalAxis::logarithmic) return decade_ticks(x_low_, x_high_);
    std::vector<Tick> ticks;
    for (const double v : {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999})
      if (v >= x_low_ && v <= x_high_) ticks.push_back({v, format("%g", v)});
    return ticks;
  }
  std::vector<Tick> y_ticks() const {
    return plot_.y_logarithmic ? decade_ticks(y_low_, y_high_) : even_ticks(y_low_, y_high_);
  }
  // Points left of the frame are left out of the line.
  bool shows(double value) const { return value >= x_low_; }

 private:
  double across(double value) const {
    return plot_.axis == HorizontalAxis::recall ? -std::log10(1 - std::min(value, kBestRecall)) : std::log10(value);
  }
  double up(double value) const { return plot_.y_logarithmic ? std::log10(value) : value; }

  const SvgPlot& plot_;
  double x_low_ = 0, x_high_ = 1, y_low_ = 1, y_high_ = 10;
};

std::string axes(const SvgPlot& plot, const Frame& frame) {
  std::string out;
  const double bottom = kHeight - kBottom, right = kWidth - kRight;
  for (const Tick& tick : frame.x_ticks()) {
    const double x = frame.x(tick.value);
    out += format("<path d='M%.1f %.1fV%.1f' stroke='#ddd'/>", x, kTop, bottom);
    out += format("<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n", x, bottom + 20, tick.label.c_str());
  }
  for (const Tick& tick : frame.y_ticks()) {
    const double y = frame.y(tick.value);
    out += format("<path d='M%.1f %.1fH%.1f' stroke='#ddd'/>", kLeft, y, right);
    out += format("<text x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n", kLeft - 8, y + 4, tick.label.c_str());
  }
  out += format("<path d='M%.1f %.1fV%.1fH%.1f' fill='none' stroke='#222'/>\n", kLeft, kTop, bottom, right);
  out += format("<text x='%.1f' y='%.1f' text-anchor='middle' font-size='15'>", (kLeft + right) / 2, kHeight - 22) +
         escaped(plot.x_label) + "</text>\n";
  out += format("<text transform='translate(28 %.1f) rotate(-90)' text-anchor='middle' font-size='15'>",
                (kTop + bottom) / 2) +
         escaped(plot.y_label) + "</text>\n";
  return out;
}

}  // namespace

std::string SvgPlot::draw() const {
  const Frame frame(*this);
  std::string out = format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %g %g' font-family='sans-serif' font-size='13' "
      "fill='#222'>\n",
      kWidth, kHeight);
  out += "<rect width='100%' height='100%' fill='white'/>\n";
  out += format("<text x='%g' y='30' font-size='19' font-weight='bold'>", kLeft) + escaped(title) + "</text>\n";
  out += format("<text x='%g' y='52' fill='#555'>", kLeft) + escaped(subtitle) + "</text>\n";
  out += axes(*this, frame);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const PlotLine& line = lines[i];
    std::string path, marks;
    for (const PlotPoint& p : line.points) {
      if (!frame.shows(p.x)) continue;
      path += format("%s%.1f %.1f", path.empty() ? "M" : "L", frame.x(p.x), frame.y(p.y));
      marks += mark(i, frame.x(p.x), frame.y(p.y), line.connected);
    }
    if (line.connected && !path.empty())
      out += "<path d='" + path + "' fill='none' stroke-width='2' stroke='" + kColours[i % kColours.size()] + "'/>\n";
    out += marks;
    const double y = kTop + 14 + 24 * static_cast<double>(i), x = kWidth - kRight + 24;
    out += mark(i, x, y, line.connected);
    out += format("<text x='%.1f' y='%.1f'>", x + 14, y + 4) + escaped(line.name) + "</text>\n";
  }
  return out + "</svg>\n";
}

}  // namespace nestor::bench::ann
