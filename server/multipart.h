#pragma once
// Bodies of type multipart/form-data (RFC 7578), as far as an upload of one file needs them.

#include <cstddef>
#include <string>
#include <string_view>

namespace nestor::server {

// Finds one part of a form that arrives in pieces, and hands its content on as it comes.
class FormPartReader {
 public:
  // The first part of that name is the one.
  FormPartReader(std::string_view content_type, std::string name);

  bool is_form() const { return !delimiter_.empty(); }  // multipart/form-data with a boundary; else nothing is found
  void feed(std::string_view bytes, std::string& content);
  bool is_complete() const { return state_ == State::complete; }  // the whole part was there

 private:
  enum class State { opening, boundary, head, content, complete, over };

  // One step each; false: it takes more bytes, or there is nothing left to do.
  bool step(std::string& content);
  bool read_opening();
  bool read_boundary();
  bool read_head();
  bool read_content(std::string& content);

  std::string name_;
  std::string delimiter_;  // line end, two dashes and the boundary
  State state_ = State::opening;
  std::string held_;           // what has come and is not decided yet
  std::size_t skipped_ = 0;    // bytes at the front of held_ that belong to the part's head
  bool wanted_ = false;        // of the part under way
};

}  // namespace nestor::server
