#pragma once
// Runs a named function of this test program in a process of its own, with a pipe for what it has to say. The child
// starts afresh (exec), so it inherits neither threads nor locks of RocksDB; it can be killed at any moment.

#include <sys/types.h>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace nestor::tests {

// What a child gets: a directory to work in, a number, and a way to send numbers to its parent.
struct ChildContext {
  std::filesystem::path directory;
  std::uint64_t number = 0;
  std::function<void(std::uint64_t)> send;
};

// At namespace scope of a test file: const ChildProgram kWriter("writer", [](const ChildContext& c) { ... return 0; });
// The result is the exit code (99: it threw).
class ChildProgram {
 public:
  ChildProgram(const std::string& name, std::function<int(const ChildContext&)> work);
  const std::string name;
};

class ChildProcess {
 public:
  ChildProcess(const ChildProgram& program, const std::filesystem::path& directory, std::uint64_t number = 0);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next number, waiting for it; nullopt: the child is gone.
  std::optional<std::uint64_t> receive();
  bool is_running() const;
  void kill_now();
  // Exit code, or minus the signal that ended it.
  int wait();

 private:
  pid_t pid_ = -1;
  int receive_end_ = -1;
};

// For a child: writing beyond this size of a file fails, which stands for a full disk.
void limit_file_size(std::uint64_t bytes);
// For a child: gives up root, so that permission bits count. False: cannot.
bool become_nobody();

}  // namespace nestor::tests
