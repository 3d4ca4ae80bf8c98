#include "server/tls.h"

#include "index/error.h"

namespace nestor::server {
namespace {

namespace ssl = boost::asio::ssl;
using index::Error;
using index::ErrorCode;

[[noreturn]] void refuse(const std::string& what, const std::string& file, const boost::system::error_code& error) {
  throw Error(ErrorCode::invalid_argument, "TLS: cannot use the " + what + " \"" + file + "\": " + error.message());
}

}  // namespace

ssl::context make_tls_context(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty())
    throw Error(ErrorCode::invalid_argument, "TLS needs both files, tls.certificate_file and tls.key_file; " +
                                                 std::string(files.key.empty() ? "the key" : "the certificate") +
                                                 " is missing");
  ssl::context context(ssl::context::tls_server);
  boost::system::error_code error;
  context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                          ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | SSL_OP_NO_RENEGOTIATION,
                      error);
  // Without this OpenSSL asks the terminal, and a service waits for ever.
  bool encrypted = false;
  context.set_password_callback(
      [&encrypted](std::size_t, ssl::context::password_purpose) {
        encrypted = true;
        return std::string();
      },
      error);
  context.use_certificate_chain_file(files.certificate, error);
  if (error) refuse("certificate file", files.certificate, error);
  context.use_private_key_file(files.key, ssl::context::pem, error);
  if (encrypted)
    throw Error(ErrorCode::invalid_argument,
                "TLS: the key \"" + files.key +
                    "\" is encrypted; take one without a pass phrase (openssl pkey -in KEY -out PLAIN_KEY)");
  if (error) refuse("key file", files.key, error);
  if (::SSL_CTX_check_private_key(context.native_handle()) != 1)
    throw Error(ErrorCode::invalid_argument,
                "TLS: the key \"" + files.key + "\" does not belong to the certificate \"" + files.certificate + "\"");
  context.set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
  return context;
}

}  // namespace nestor::server
