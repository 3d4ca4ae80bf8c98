#include "server/datetime.h"

#include <chrono>

namespace nestor::server {
namespace {

class DatetimeParser {
 public:
  explicit DatetimeParser(std::string_view text) : text_(text) {}

  std::optional<std::int64_t> run() {
    using namespace std::chrono;
    const int y = number(4, 0, 9999);
    expect('-');
    const int mo = number(2, 1, 12);
    expect('-');
    const int d = number(2, 1, 31);
    const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
    if (!good_ || !date.ok()) return std::nullopt;
    std::int64_t micros = duration_cast<microseconds>(sys_days(date).time_since_epoch()).count();
    if (at_ < text_.size()) micros += time_of_day() * 1'000'000 + fraction() - offset() * 1'000'000;
    if (!good_ || at_ != text_.size()) return std::nullopt;
    return micros;
  }

 private:
  std::int64_t time_of_day() {
    if (!skip('T') && !skip('t')) expect(' ');
    const int hours = number(2, 0, 23);
    expect(':');
    const int minutes = number(2, 0, 59);
    const int seconds = skip(':') ? number(2, 0, 60) : 0;  // 60: a leap second counts as the next one's start
    return hours * 3600 + minutes * 60 + seconds;
  }

  std::int64_t fraction() {
    if (!skip('.')) return 0;
    std::int64_t micros = 0;
    int digits = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_, ++digits)
      if (digits < 6) micros = micros * 10 + (text_[at_] - '0');
    if (digits == 0) good_ = false;
    for (; digits < 6; ++digits) micros *= 10;
    return micros;
  }

  // Seconds east of Greenwich.
  std::int64_t offset() {
    if (at_ == text_.size() || skip('Z') || skip('z')) return 0;
    const int sign = skip('-') ? -1 : 1;
    if (sign == 1) expect('+');
    const int hours = number(2, 0, 23);
    skip(':');
    return sign * (hours * 3600 + (at_ < text_.size() ? number(2, 0, 59) * 60 : 0));
  }

  int number(int digits, int low, int high) {
    int value = 0;
    for (; digits > 0; --digits, ++at_) {
      if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') {
        good_ = false;
        return low;
      }
      value = value * 10 + (text_[at_] - '0');
    }
    if (value < low || value > high) good_ = false;
    return value;
  }

  bool skip(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!skip(c)) good_ = false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool good_ = true;
};

}  // namespace

std::optional<std::int64_t> parse_datetime(std::string_view text) { return DatetimeParser(text).run(); }

}  // namespace nestor::server
