#include "shared-weights.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <condition_variable>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "file-identity.h"

namespace gpt4all {

namespace {

// One file opened in one way: its weights while an owner has them, or how far its load is.
struct Entry {
  std::weak_ptr<const SharedWeights> weights;
  bool loading = false;
  float progress = 0;

  bool idle() const { return !loading && weights.expired(); }
};

// Never destroyed: threads may still use it during exit().
struct Registry {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t changes = 0;  // counted, so that a change between looking and waiting is noticed
  std::map<std::string, std::shared_ptr<Entry>> entries;
};

// With the mutex held.
void Change(Registry& registry) {
  registry.changes++;
  registry.changed.notify_all();
}

Registry& GetRegistry() {
  static Registry* registry = new Registry();
  return *registry;
}

// Empty where the file has no identity to compare.
std::string KeyOf(const WeightsRequest& request) {
  std::string key = ModelIdentity(request.path);
  if (key.empty()) return key;
  key += request.vocab_only ? "\nvocabulary" : "\nlayers " + std::to_string(request.gpu_layers);
  if (!request.repack) key += "\nas they are";
  for (const ggml_backend_dev_t device : request.devices) {
    key += "\ndevice ";
    key += ggml_backend_dev_name(device);
  }
  // In order: scales are given by place.
  for (const float share : request.tensor_split) key += "\nshare " + std::to_string(share);
  for (const std::string& adapter : request.adapters) key += "\nadapter " + FileIdentity(adapter);
  return key;
}

// Ends a load, however it ended.
class Turn {
 public:
  Turn(Registry& registry, std::shared_ptr<Entry> entry) : registry_(registry), entry_(std::move(entry)) {}
  ~Turn() {
    const std::lock_guard<std::mutex> lock(registry_.mutex);
    entry_->loading = false;
    Change(registry_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void Report(float fraction) {
    const std::lock_guard<std::mutex> lock(registry_.mutex);
    entry_->progress = fraction;
    Change(registry_);
  }

  void Publish(const std::shared_ptr<const SharedWeights>& weights) {
    const std::lock_guard<std::mutex> lock(registry_.mutex);
    entry_->weights = weights;
  }

 private:
  Registry& registry_;
  const std::shared_ptr<Entry> entry_;
};

std::shared_ptr<Entry> EntryOf(Registry& registry, const std::string& key) {
  auto& entries = registry.entries;
  for (auto entry = entries.begin(); entry != entries.end();) {
    entry = entry->second->idle() ? entries.erase(entry) : std::next(entry);
  }
  const auto found = entries.find(key);
  if (found != entries.end()) return found->second;
  return entries.emplace(key, std::make_shared<Entry>()).first->second;
}

}  // namespace

// Each load and each context had a thread, and glibc gives each thread an arena that keeps what was freed in
// it: without the trim a program that opens and closes models seems to leak.
SharedWeights::~SharedWeights() {
  llama_model_free(model);
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

AcquiredWeights AcquireWeights(const WeightsRequest& request, const std::function<bool(float)>& progress,
                               const LoadWeights& load) {
  Registry& registry = GetRegistry();
  for (;;) {
    const std::string key = KeyOf(request);  // anew each time: the file may have been replaced meanwhile
    if (key.empty()) return {load([](float) {}), false};
    std::unique_lock<std::mutex> lock(registry.mutex);
    const std::shared_ptr<Entry> entry = EntryOf(registry, key);
    if (auto weights = entry->weights.lock()) return {std::move(weights), true};
    if (!entry->loading) {
      entry->loading = true;
      entry->progress = 0;
      lock.unlock();
      Turn turn(registry, entry);
      auto weights = load([&turn](float fraction) { turn.Report(fraction); });
      // If the file was replaced meanwhile, it is unknown which of the two was read.
      if (weights && KeyOf(request) == key) turn.Publish(weights);
      return {std::move(weights), false};
    }
    const float fraction = entry->progress;
    const uint64_t seen = registry.changes;
    lock.unlock();
    if (!progress(fraction)) return {nullptr, false};
    lock.lock();
    registry.changed.wait(lock, [&] { return registry.changes != seen; });
  }
}

void WakeWaiting() {
  Registry& registry = GetRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  Change(registry);
}

bool AreLoaded(const WeightsRequest& request) {
  const std::string key = KeyOf(request);
  Registry& registry = GetRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  const auto entry = registry.entries.find(key);
  return entry != registry.entries.end() && !entry->second->idle();
}

}  // namespace gpt4all
