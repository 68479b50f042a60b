#include "loader.h"

#include <atomic>
#include <cfloat>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "args.h"
#include "environment.h"
#include "load-stages.h"
#include "model.h"
#include "rpc-servers.h"
#include "shared-weights.h"

namespace gpt4all {

namespace {

// One load: a thread that lives until its result is delivered. A load owns itself (`self_`) from Start() on,
// and its answer owns it once that is posted, delivered or not: neither JavaScript's garbage collector nor
// the thread may destroy it.
class Load : public Stoppable, public std::enable_shared_from_this<Load> {
 public:
  Load(Napi::Env env, WrapWeights wrap, bool follows)
      : environment_(Environment::Of(env)),
        deferred_(Napi::Promise::Deferred::New(env)),
        wrap_(std::move(wrap)),
        stages_(follows, [this](int32_t stage) { ReportStage(stage); }) {}

  ~Load() override { environment_->Remove(this); }

  void Start() {
    self_ = shared_from_this();
    try {
      thread_ = std::thread(&Load::Run, this);
    } catch (...) {
      self_.reset();
      throw;
    }
    environment_->Hold();
    environment_->Add(this);
  }

  void Cancel() {
    cancelled_ = true;
    stages_.Stop();
    WakeWaiting();
  }
  void Allow(int32_t stages) { stages_.Allow(stages); }
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Stop() override {
    Cancel();
    const std::lock_guard<std::mutex> lock(join_);
    if (thread_.joinable()) thread_.join();
  }

  WeightsRequest request;
  std::shared_ptr<LogSink> log;
  std::shared_ptr<Napi::FunctionReference> on_progress, on_stage;

 private:
  void Run() {
    std::shared_ptr<Weights> weights;
    std::optional<Failure> failure;
    try {
      weights = Acquire();
    } catch (const Failure& known) {
      failure = known;
    } catch (const std::bad_alloc&) {
      failure.emplace("ERR_MEMORY", "not enough memory to load the model");
    } catch (const std::exception& unknown) {
      failure.emplace("ERR_LOAD", unknown.what());
    }
    environment_->Post([self = std::move(self_), weights = std::move(weights), failure = std::move(failure)](
                           Napi::Env env) { self->Settle(env, weights, failure); });
  }

  std::shared_ptr<Weights> Acquire() {
    LogScope scope(log);
    AcquiredWeights acquired = AcquireWeights(
        request, [this](float fraction) { return Progress(fraction); },
        [this, &scope](const ReportToWaiting& report) {
          report_to_waiting_ = &report;
          return LoadAnew(scope);
        });
    if (cancelled_ || !acquired.weights) throw Failure("ERR_ABORTED", "loading was cancelled");
    if (acquired.shared) Progress(1);
    return std::make_shared<Weights>(std::move(acquired), request.vocab_only, log);
  }

  // Null where the load was cancelled.
  std::shared_ptr<const SharedWeights> LoadAnew(LogScope& scope) {
    stages_.Begin();
    scope.Watch([this](const std::string& line) { stages_.Note(line); });
    std::vector<ggml_backend_dev_t> devices = request.devices;
    devices.push_back(nullptr);  // where llama.cpp's list ends
    llama_model_params params = llama_model_default_params();
    params.vocab_only = request.vocab_only;
    params.n_gpu_layers = request.gpu_layers;
    params.use_extra_bufts = request.repack;
    params.devices = devices.data();
    // A share for each device that llama.cpp has room for.
    std::vector<float> shares = request.tensor_split;
    shares.resize(llama_max_devices());
    if (!request.tensor_split.empty()) params.tensor_split = shares.data();
    params.progress_callback = [](float fraction, void* load) {
      return static_cast<Load*>(load)->Progress(fraction);
    };
    params.progress_callback_user_data = this;
    llama_model* model = llama_model_load_from_file(request.path.c_str(), params);
    if (model == nullptr && cancelled_) return nullptr;
    if (model == nullptr) {
      const std::string errors = scope.TakeErrors("llama.cpp refused the file without saying why");
      const bool memory = errors.find("alloc") != std::string::npos;
      throw Failure(memory ? "ERR_MEMORY" : "ERR_LOAD", errors);
    }
    const auto weights = std::make_shared<SharedWeights>(model);
    for (const std::string& adapter : request.adapters) {
      if (cancelled_) return nullptr;
      weights->adapters.push_back(llama_adapter_lora_init(model, adapter.c_str()));
      if (weights->adapters.back() == nullptr) {
        throw Failure("ERR_LOAD",
                      adapter + ": " + scope.TakeErrors("llama.cpp refused it without saying why"));
      }
    }
    return weights;
  }

  // llama.cpp calls this per tensor; the event loop and the loads that wait for this one hear of each new
  // percent.
  bool Progress(float fraction) {
    const int percent = static_cast<int>(fraction * 100);
    if (report_to_waiting_ != nullptr && percent > reported_percent_) {
      reported_percent_ = percent;
      (*report_to_waiting_)(fraction);
    }
    // Never backwards: a load that this one waited for may have been given up further on.
    if (percent <= percent_) return !cancelled_;
    percent_ = percent;
    if (on_progress) {
      environment_->Post([callback = on_progress, fraction](Napi::Env env) {
        if (!callback->IsEmpty()) callback->Call({Napi::Number::New(env, fraction)});
      });
    }
    return !cancelled_;
  }

  void ReportStage(int32_t stage) {
    if (!on_stage) return;
    environment_->Post([callback = on_stage, stage](Napi::Env env) {
      if (!callback->IsEmpty()) callback->Call({Napi::Number::New(env, stage)});
    });
  }

  void Settle(Napi::Env env, const std::shared_ptr<Weights>& weights, const std::optional<Failure>& failure) {
    Stop();
    environment_->Drop();
    for (const auto& callback : {on_progress, on_stage})
      if (callback) callback->Reset();
    if (failure) {
      deferred_.Reject(ToJs(env, *failure).Value());
    } else {
      Fulfil(env, deferred_, [&] { return wrap_(weights); });
    }
  }

  const std::shared_ptr<Environment> environment_;
  const Napi::Promise::Deferred deferred_;
  const WrapWeights wrap_;
  LoadStages stages_;
  std::thread thread_;
  std::mutex join_;
  std::atomic<bool> cancelled_{false};
  int percent_ = -1, reported_percent_ = -1;            // the thread's
  const ReportToWaiting* report_to_waiting_ = nullptr;  // the thread's; null while another load works
  std::shared_ptr<Load> self_;
};

ggml_backend_dev_t FindDevice(const std::string& name) {
  for (ggml_backend_dev_t device : RpcDevices()) {
    if (name == ggml_backend_dev_name(device)) return device;
  }
  return ggml_backend_dev_by_name(name.c_str());
}

std::vector<ggml_backend_dev_t> FindDevices(const Napi::Value& value) {
  std::vector<ggml_backend_dev_t> devices;
  ForEach(value, "devices", llama_max_devices(), [&](const Napi::Value& name) {
    ggml_backend_dev_t device = FindDevice(Text(name, "devices"));
    if (device == nullptr) throw BadArgument(value.Env(), "devices", "names from devices()");
    devices.push_back(device);
  });
  return devices;
}

std::string ReadPath(const Napi::Value& value, const char* name) {
  std::string path = Text(value, name);
  if (path.find('\0') != std::string::npos) throw BadArgument(value.Env(), name, "without a NUL");
  return path;
}

// More than any program uses; a JavaScript array may have four billion elements.
constexpr size_t kMostAdapters = 1024;

std::vector<std::string> ReadAdapters(const Napi::Value& value) {
  std::vector<std::string> paths;
  ForEach(value, "adapters", kMostAdapters,
          [&](const Napi::Value& path) { paths.push_back(ReadPath(path, "adapters")); });
  return paths;
}

std::vector<float> ReadShares(const Napi::Value& value) {
  std::vector<float> shares;
  ForEach(value, "tensorSplit", llama_max_devices(), [&](const Napi::Value& share) {
    shares.push_back(static_cast<float>(Number(share, "tensorSplit", 0, FLT_MAX)));
  });
  return shares;
}

std::shared_ptr<Napi::FunctionReference> ReadCallback(const Napi::Value& value, const char* name) {
  if (value.IsUndefined()) return nullptr;
  auto callback = std::make_shared<Napi::FunctionReference>(Napi::Persistent(Function(value, name)));
  callback->SuppressDestruct();
  return callback;
}

WeightsRequest ReadRequest(const Napi::CallbackInfo& info) {
  WeightsRequest request;
  request.path = ReadPath(info[0], "path");
  const Napi::Object params = Object(info[1], "params");
  request.vocab_only = Boolean(params.Get("vocabOnly"), "vocabOnly");
  request.gpu_layers = Integer(params.Get("gpuLayers"), "gpuLayers", 0, INT32_MAX);
  request.devices = FindDevices(params.Get("devices"));
  request.adapters = ReadAdapters(params.Get("adapters"));
  request.tensor_split = ReadShares(params.Get("tensorSplit"));
  const Napi::Value repack = params.Get("repack");
  if (!repack.IsUndefined()) request.repack = Boolean(repack, "repack");
  return request;
}

}  // namespace

Napi::Value StartLoad(const Napi::CallbackInfo& info, WrapWeights wrap) {
  const Napi::Env env = info.Env();
  WeightsRequest request = ReadRequest(info);
  const auto params = info[1].As<Napi::Object>();
  const Napi::Value follows = params.Get("follows"), log = params.Get("log");
  const auto load =
      std::make_shared<Load>(env, std::move(wrap), !follows.IsUndefined() && Boolean(follows, "follows"));
  load->request = std::move(request);
  if (!log.IsUndefined()) load->log = std::make_shared<LogSink>(env, Function(log, "log"));
  load->on_progress = ReadCallback(info[2], "onProgress");
  load->on_stage = ReadCallback(params.Get("onStage"), "onStage");
  try {
    load->Start();
  } catch (const std::system_error& error) {
    throw MakeError(env, "ERR_MEMORY", std::string("no thread for loading: ") + error.what());
  }

  Napi::Object handle = Napi::Object::New(env);
  handle.Set("promise", load->promise());
  handle.Set("allow", Napi::Function::New(env, [load](const Napi::CallbackInfo& info) {
               load->Allow(Integer(info[0], "stages", 0, LoadStages::kCount + 1));
             }));
  handle.Set("cancel", Napi::Function::New(env, [load](const Napi::CallbackInfo&) { load->Cancel(); }));
  return handle;
}

Napi::Value IsLoaded(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), AreLoaded(ReadRequest(info)));
}

}  // namespace gpt4all
