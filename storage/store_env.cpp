#include "storage/store_env.h"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace nestor::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

bool is_options(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return path.substr(slash == std::string_view::npos ? 0 : slash + 1).starts_with("OPTIONS-");
}

class UnsyncedFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus RangeSync(std::uint64_t, std::uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();
  }
};

// all: nothing is synced, else only what does not concern OPTIONS.
class LazyDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  LazyDirectory(std::unique_ptr<rocksdb::FSDirectory>&& target, bool all)
      : FSDirectoryWrapper(std::move(target)), all_(all) {}
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return all_ ? IOStatus::OK() : FSDirectoryWrapper::Fsync(options, context);
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions& why) override {
    const bool renamed = why.reason == rocksdb::DirFsyncOptions::FsyncReason::kFileRenamed;
    if (all_ || (renamed && is_options(why.renamed_new_name))) return IOStatus::OK();
    return FSDirectoryWrapper::FsyncWithDirOptions(options, context, why);
  }

 private:
  const bool all_;
};

class LazyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit LazyFileSystem(bool all) : FileSystemWrapper(rocksdb::FileSystem::Default()), all_(all) {}
  const char* Name() const override { return "NestorFileSystem"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file, IODebugContext* context) override {
    const IOStatus status = FileSystemWrapper::NewWritableFile(path, options, file, context);
    if (status.ok() && (all_ || is_options(path))) *file = std::make_unique<UnsyncedFile>(std::move(*file));
    return status;
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* directory, IODebugContext* context) override {
    const IOStatus status = FileSystemWrapper::NewDirectory(path, options, directory, context);
    if (status.ok()) *directory = std::make_unique<LazyDirectory>(std::move(*directory), all_);
    return status;
  }

 private:
  const bool all_;
};

// As long as the process: whoever holds a collection to the very end still uses it.
rocksdb::Env* make(bool all) { return rocksdb::NewCompositeEnv(std::make_shared<LazyFileSystem>(all)).release(); }

}  // namespace

rocksdb::Env* store_env() {
  static rocksdb::Env* const env = make(false);
  return env;
}

rocksdb::Env* draft_env() {
  static rocksdb::Env* const env = make(true);
  return env;
}

void run_in_background(std::function<void()> work) {
  static rocksdb::Env* const env = [] {
    store_env()->SetBackgroundThreads(1, rocksdb::Env::Priority::BOTTOM);
    return store_env();
  }();
  const auto run = [](void* argument) {
    const std::unique_ptr<std::function<void()>> owned(static_cast<std::function<void()>*>(argument));
    (*owned)();
  };
  env->Schedule(run, new std::function<void()>(std::move(work)), rocksdb::Env::Priority::BOTTOM);
}

}  // namespace nestor::storage
