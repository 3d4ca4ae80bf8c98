#include "tests/storage/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <utility>

#include "tests/support/catch.h"

namespace nestor::tests {
namespace {

constexpr char kProgramVariable[] = "NESTOR_TEST_CHILD";
constexpr char kDirectoryVariable[] = "NESTOR_TEST_CHILD_DIRECTORY";
constexpr char kNumberVariable[] = "NESTOR_TEST_CHILD_NUMBER";
constexpr int kSendEnd = 3;

std::map<std::string, std::function<int(const ChildContext&)>>& programs() {
  static std::map<std::string, std::function<int(const ChildContext&)>> all;
  return all;
}

void send_number(std::uint64_t number) {
  if (::write(kSendEnd, &number, sizeof number) != sizeof number) ::_exit(98);
}

[[noreturn]] void run_child(const char* name) {
  int code = 99;
  try {
    code = programs().at(name)(
        {std::getenv(kDirectoryVariable), std::strtoull(std::getenv(kNumberVariable), nullptr, 10), send_number});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child %s: %s\n", name, error.what());
  }
  ::_exit(code);
}

}  // namespace

ChildProgram::ChildProgram(const std::string& program_name, std::function<int(const ChildContext&)> work)
    : name(program_name) {
  programs()[name] = std::move(work);
}

ChildProcess::ChildProcess(const ChildProgram& program, const std::filesystem::path& directory, std::uint64_t number) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  const std::string number_text = std::to_string(number);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork");
  if (pid_ == 0) {
    if (ends[1] == kSendEnd)
      ::fcntl(kSendEnd, F_SETFD, 0);
    else
      ::dup2(ends[1], kSendEnd);
    ::setenv(kProgramVariable, program.name.c_str(), 1);
    ::setenv(kDirectoryVariable, directory.c_str(), 1);
    ::setenv(kNumberVariable, number_text.c_str(), 1);
    ::execl("/proc/self/exe", "nestor_test_child", "[.child]", static_cast<char*>(nullptr));
    ::_exit(97);
  }
  ::close(ends[1]);
  receive_end_ = ends[0];
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) kill_now();
  ::close(receive_end_);
}

std::optional<std::uint64_t> ChildProcess::receive() {
  std::uint64_t number = 0;
  if (::read(receive_end_, &number, sizeof number) != sizeof number) return std::nullopt;
  return number;
}

bool ChildProcess::is_running() const {
  siginfo_t ended{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

void ChildProcess::kill_now() {
  ::kill(pid_, SIGKILL);
  wait();
}

int ChildProcess::wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void limit_file_size(std::uint64_t bytes) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) throw std::runtime_error("setrlimit");
}

bool become_nobody() {
  if (::getuid() != 0) return true;
  constexpr unsigned kNobody = 65534;
  return ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
}

}  // namespace nestor::tests

TEST_CASE("the body of a child process", "[.child]") {
  if (const char* name = std::getenv(nestor::tests::kProgramVariable)) nestor::tests::run_child(name);
}
