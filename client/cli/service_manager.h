#pragma once
// Telling systemd (Type=notify) how the service is.

#include <string>

namespace nestor::client {

// "READY=1", "STOPPING=1". Does nothing where no service manager asked for it.
void notify_service_manager(const std::string& state);

}  // namespace nestor::client
