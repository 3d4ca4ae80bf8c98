#pragma once
// What Beast's parser puts the body of a request into: memory, or an upload on its way to disk.

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional/optional.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "server/uploaded_part.h"

namespace nestor::server {

// A Body in the sense of Boost.Beast, for reading.
struct RequestBody {
  struct value_type {
    explicit value_type(std::string memory = {}) : text(std::move(memory)) {}
    std::string text;
    UploadedPart* upload = nullptr;
  };

  class reader {
   public:
    template <bool is_request, class Fields>
    reader(boost::beast::http::header<is_request, Fields>&, value_type& body) : body_(body) {}

    void init(const boost::optional<std::uint64_t>& length, boost::system::error_code& error) {
      error = {};
      if (length && !body_.upload) body_.text.reserve(static_cast<std::size_t>(*length));
    }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      std::size_t taken = 0;
      for (const boost::asio::const_buffer part : boost::beast::buffers_range_ref(buffers)) {
        const std::string_view bytes(static_cast<const char*>(part.data()), part.size());
        if (body_.upload)
          body_.upload->take(bytes);
        else
          body_.text += bytes;
        taken += bytes.size();
      }
      return taken;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    value_type& body_;
  };
};

}  // namespace nestor::server
