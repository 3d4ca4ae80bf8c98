#pragma once
// Work that Ctrl-C ends. The engine works on another thread and tells its progress; this one looks for signals.

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <future>

namespace nestor::python {

// Thread-safe.
class Interruption {
 public:
  struct Stop {};  // ends the work where it is

  void request() { requested_ = true; }
  // Called by the work as it gets on. Throws Stop once it is to end.
  void check() const {
    if (requested_) throw Stop();
  }

 private:
  std::atomic<bool> requested_{false};
};

// Runs work(interruption) without the interpreter's lock; REQUIRES that it is held. A signal whose handler raises
// (Ctrl-C: KeyboardInterrupt) stops the work, and the error is thrown when the work has ended.
template <class Result, class Work>
Result interruptible(const Work& work) {
  constexpr std::chrono::milliseconds kBetweenLooks{50};
  Interruption interruption;
  std::future<Result> result;
  const auto ended = [&] {
    const pybind11::gil_scoped_release released;
    return result.wait_for(kBetweenLooks) == std::future_status::ready;
  };
  {
    const pybind11::gil_scoped_release released;
    result = std::async(std::launch::async, [&] { return work(interruption); });
  }
  while (!ended()) {
    if (PyErr_CheckSignals() == 0) continue;
    interruption.request();
    const pybind11::error_already_set raised;
    {
      const pybind11::gil_scoped_release released;
      result.wait();
    }
    throw raised;
  }
  return result.get();
}

}  // namespace nestor::python
