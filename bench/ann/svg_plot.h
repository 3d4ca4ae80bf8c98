#pragma once
// One diagram as SVG text: recall to the right, stretched towards 1 where it matters, speed upwards in decades.

#include <string>
#include <vector>

namespace nestor::bench::ann {

struct PlotPoint {
  double x = 0, y = 0;
};

struct PlotLine {
  std::string name;
  std::vector<PlotPoint> points;
  bool connected = true;  // false: a mark of its own
};

// How the horizontal axis is cut.
enum class HorizontalAxis {
  recall,  // -log10(1 - x): 0.9, 0.99 and 0.999 equally far apart
  logarithmic
};

struct SvgPlot {
  std::string title, subtitle, x_label, y_label;
  HorizontalAxis axis = HorizontalAxis::recall;
  bool y_logarithmic = true;
  std::vector<PlotLine> lines;

  std::string draw() const;
};

}  // namespace nestor::bench::ann
