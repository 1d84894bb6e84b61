#include <napi.h>
#include <sys/file.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "netlink_socket.hh"

namespace {

using trotline::NetlinkSocket;
using trotline::SystemError;

/** One row of the batch that crosses; `native/netlink.ts` has the same list. */
enum Column : size_t {
  kKind,
  kPresent,
  kMessageType,
  kMessageFlags,
  kMessageSequence,
  kMessagePid,
  kDump,
  kIfindex,
  kFamily,
  kDeviceType,
  kFlags,
  kChange,
  kIfname,
  kMtu,
  kOperstate,
  kQdisc,
  kAddress,
  kLinkKind,
  kCarrier,
  kCarrierChanges,
  kCarrierUpCount,
  kCarrierDownCount,
  kMaster,
  kLink,
  kTxQueueLen,
  kGroup,
  kAlias,
  kLinkNetnsid,
  kColumns,
  // The other kinds of record reuse columns.
  kDropped = kMessageType,
  kInterrupted = kMessageFlags,
  kCode = kMessageSequence,
};

enum Kind : int32_t { kLinkRecord, kOverflowRecord, kDumpDoneRecord, kFailureRecord };

Napi::Error toError(Napi::Env env, const SystemError& failure) {
  auto error = Napi::Error::New(env, failure.what());
  error.Set("name", Napi::String::New(env, "NativeError"));
  error.Set("errno", Napi::Number::New(env, failure.code));
  error.Set("syscall", Napi::String::New(env, failure.syscall));
  return error;
}

/** Each different string of a batch crosses once; the rows hold its place in the array. */
class Strings {
 public:
  explicit Strings(Napi::Array into) : into_(into) {}

  int32_t text(std::string_view bytes) { return place(texts_, bytes, [](std::string_view raw) { return std::string(raw); }); }
  int32_t address(std::string_view bytes) { return place(addresses_, bytes, hexadecimal); }

 private:
  using Places = std::unordered_map<std::string_view, int32_t>;

  template <typename Decode>
  int32_t place(Places& places, std::string_view bytes, Decode decode) {
    const auto [entry, added] = places.try_emplace(bytes, count_);
    if (added) into_.Set(static_cast<uint32_t>(count_++), Napi::String::New(into_.Env(), decode(bytes)));
    return entry->second;
  }

  static std::string hexadecimal(std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
      const auto value = static_cast<uint8_t>(byte);
      if (!text.empty()) text += ':';
      text += kDigits[value >> 4];
      text += kDigits[value & 15];
    }
    return text;
  }

  Napi::Array into_;
  Places texts_;
  Places addresses_;
  int32_t count_ = 0;
};

class Row {
 public:
  Row(int32_t* cells, Strings& strings) : cells_(cells), strings_(strings) { cells_[kPresent] = 0; }

  void operator()(const trotline::LinkMessage& message) {
    cells_[kKind] = kLinkRecord;
    set(kMessageType, message.messageType);
    set(kMessageFlags, message.messageFlags);
    set(kMessageSequence, message.messageSequence);
    set(kMessagePid, message.messagePid);
    set(kDump, message.dump);
    set(kIfindex, message.ifindex);
    set(kFamily, message.family);
    set(kDeviceType, message.deviceType);
    set(kFlags, message.flags);
    set(kChange, message.change);
    optional(kIfname, message.ifname);
    optional(kMtu, message.mtu);
    optional(kOperstate, message.operstate);
    optional(kQdisc, message.qdisc);
    if (message.address) {
      const auto& address = *message.address;
      set(kAddress, strings_.address({reinterpret_cast<const char*>(address.bytes.data()), address.length}));
    }
    optional(kLinkKind, message.linkKind);
    optional(kCarrier, message.carrier);
    optional(kCarrierChanges, message.carrierChanges);
    optional(kCarrierUpCount, message.carrierUpCount);
    optional(kCarrierDownCount, message.carrierDownCount);
    optional(kMaster, message.master);
    optional(kLink, message.link);
    optional(kTxQueueLen, message.txQueueLen);
    optional(kGroup, message.group);
    optional(kAlias, message.alias);
    optional(kLinkNetnsid, message.linkNetnsid);
  }

  void operator()(const trotline::Overflow& overflow) {
    cells_[kKind] = kOverflowRecord;
    set(kDropped, overflow.dropped);
  }

  void operator()(const trotline::DumpDone& done) {
    cells_[kKind] = kDumpDoneRecord;
    set(kDump, done.dump);
    set(kInterrupted, done.interrupted);
    set(kCode, done.code);
  }

  void operator()(const trotline::Failure& failure) {
    cells_[kKind] = kFailureRecord;
    set(kCode, failure.code);
  }

 private:
  template <typename T>
  void set(Column column, T value) {
    cells_[column] = static_cast<int32_t>(value);
    cells_[kPresent] |= 1 << column;
  }

  template <typename T>
  void optional(Column column, const std::optional<T>& value) {
    if (value) set(column, *value);
  }

  void optional(Column column, const std::optional<std::string>& value) {
    if (value) set(column, strings_.text(*value));
  }

  int32_t* cells_;
  Strings& strings_;
};

/** Outlives the reader by the calls that are on their way to the JavaScript thread. */
struct Wakeup {
  std::atomic<bool> pending{false};
  std::atomic<bool> closed{false};
};

void callOnReadable(Napi::Env env, Napi::Function callback, Wakeup* wakeup, void*) {
  wakeup->pending = false;
  if (static_cast<napi_env>(env) != nullptr && !wakeup->closed) callback.Call({});
}

using WakeupFunction = Napi::TypedThreadSafeFunction<Wakeup, void, callOnReadable>;

class Reader : public Napi::ObjectWrap<Reader> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NetlinkReader",
                       {InstanceMethod<&Reader::fill>("fill"), InstanceMethod<&Reader::dump>("dump"),
                        InstanceMethod<&Reader::stats>("stats"), InstanceMethod<&Reader::close>("close")});
  }

  explicit Reader(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Reader>(info), env_(info.Env()) {
    const auto options = info[0].As<Napi::Object>();
    const auto fd = options.Get("fd");
    trotline::ReaderOptions reader;
    reader.fd = fd.IsNumber() ? fd.As<Napi::Number>().Int32Value() : -1;
    reader.receiveBufferBytes = options.Get("receiveBufferBytes").As<Napi::Number>().Int32Value();
    reader.queueLimit = static_cast<size_t>(options.Get("queueLimit").As<Napi::Number>().Int64Value());
    wakeup_ = new Wakeup;
    function_ = WakeupFunction::New(env_, options.Get("onReadable").As<Napi::Function>(), "trotline-netlink", 0, 1, wakeup_,
                                    [](Napi::Env, void*, Wakeup* wakeup) { delete wakeup; });
    reader.onReadable = [wakeup = wakeup_, function = function_] {
      if (!wakeup->pending.exchange(true)) function.NonBlockingCall();
    };
    try {
      socket_ = std::make_unique<NetlinkSocket>(std::move(reader));
    } catch (const SystemError& failure) {
      release();
      throw toError(env_, failure);
    }
    // Open, it lives until closed, referenced or not; the hook covers a worker or process that ends without closing.
    Ref();
    napi_add_env_cleanup_hook(env_, cleanUp, this);
  }

 private:
  static void cleanUp(void* reader) { static_cast<Reader*>(reader)->shut(); }

  Napi::Value fill(const Napi::CallbackInfo& info) {
    auto cells = info[0].As<Napi::Int32Array>();
    if (!socket_) return Napi::Number::New(env_, 0);
    records_.clear();
    socket_->take(cells.ElementLength() / kColumns, records_);
    Strings strings(info[1].As<Napi::Array>());
    int32_t* row = cells.Data();
    for (const auto& record : records_) {
      std::visit(Row(row, strings), record);
      row += kColumns;
    }
    return Napi::Number::New(env_, static_cast<double>(records_.size()));
  }

  Napi::Value dump(const Napi::CallbackInfo& info) {
    if (!socket_) throw toError(env_, SystemError("sendto", EBADF));
    return Napi::Number::New(env_, socket_->dump());
  }

  Napi::Value stats(const Napi::CallbackInfo& info) {
    const auto stats = socket_ ? socket_->stats() : last_;
    auto result = Napi::Object::New(env_);
    result.Set("received", static_cast<double>(stats.received));
    result.Set("malformed", static_cast<double>(stats.malformed));
    result.Set("ignored", static_cast<double>(stats.ignored));
    result.Set("dropped", static_cast<double>(stats.dropped));
    result.Set("queued", static_cast<double>(stats.queued));
    result.Set("receiveBufferBytes", stats.receiveBufferBytes);
    result.Set("receiveBufferForced", stats.receiveBufferForced);
    return result;
  }

  void close(const Napi::CallbackInfo& info) {
    if (!socket_) return;
    napi_remove_env_cleanup_hook(env_, cleanUp, this);
    shut();
    Unref();
  }

  void shut() {
    if (!socket_) return;
    socket_->close();
    last_ = socket_->stats();
    socket_.reset();
    release();
  }

  void release() {
    wakeup_->closed = true;
    function_.Release();
  }

  Napi::Env env_;
  Wakeup* wakeup_ = nullptr;
  WakeupFunction function_;
  std::unique_ptr<NetlinkSocket> socket_;
  std::vector<trotline::Record> records_;
  trotline::ReaderStats last_;
};

Napi::Value openNetlinkSocket(const Napi::CallbackInfo& info) {
  try {
    return Napi::Number::New(info.Env(), trotline::openSocket());
  } catch (const SystemError& failure) {
    throw toError(info.Env(), failure);
  }
}

/** Takes the lock of an open file, which goes with its last descriptor; false: another process has it. */
Napi::Value tryLock(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  throw toError(info.Env(), SystemError("flock", errno));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("NetlinkReader", Reader::define(env));
  exports.Set("openNetlinkSocket", Napi::Function::New<openNetlinkSocket>(env, "openNetlinkSocket"));
  exports.Set("tryLock", Napi::Function::New<tryLock>(env, "tryLock"));
  return exports;
}

}  // namespace

NODE_API_MODULE(trotline, init)
