#include <fcntl.h>
#include <napi.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "launcher_protocol.hh"
#include "netlink_socket.hh"
#include "peer_credentials.hh"

namespace {

using trotline::NetlinkSocket;
using trotline::SystemError;

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

  int32_t place(std::string_view bytes) {
    const auto [entry, added] = places_.try_emplace(bytes, count_);
    if (added) into_.Set(static_cast<uint32_t>(count_++), Napi::String::New(into_.Env(), bytes.data(), bytes.size()));
    return entry->second;
  }

 private:
  Napi::Array into_;
  std::unordered_map<std::string_view, int32_t> places_;
  int32_t count_ = 0;
};

void fillRow(const trotline::Record& record, int32_t* row, Strings& strings) {
  std::copy(record.cells.begin(), record.cells.end(), row);
  uint32_t texts = trotline::textColumns(record.kind()) & record.number(trotline::kPresent);
  while (texts != 0) {
    const auto column = trotline::kPayload + static_cast<size_t>(__builtin_ctz(texts));
    row[column] = strings.place(record.text(column));
    texts &= texts - 1;
  }
}

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
                        InstanceMethod<&Reader::echo>("echo"), InstanceMethod<&Reader::list>("list"),
                        InstanceMethod<&Reader::stats>("stats"), InstanceMethod<&Reader::close>("close")});
  }

  explicit Reader(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Reader>(info), env_(info.Env()) {
    const auto options = info[0].As<Napi::Object>();
    const auto fd = options.Get("fd");
    trotline::ReaderOptions reader;
    const auto opener = options.Get("opener");
    reader.fd = fd.IsNumber() ? fd.As<Napi::Number>().Int32Value() : -1;
    reader.opener = opener.IsNumber() ? opener.As<Napi::Number>().Int32Value() : -1;
    reader.kinds = options.Get("kinds").As<Napi::Number>().Uint32Value();
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
    socket_->take(cells.ElementLength() / trotline::kColumns, records_);
    Strings strings(info[1].As<Napi::Array>());
    int32_t* row = cells.Data();
    for (const auto& record : records_) {
      fillRow(record, row, strings);
      row += trotline::kColumns;
    }
    return Napi::Number::New(env_, static_cast<double>(records_.size()));
  }

  Napi::Value dump(const Napi::CallbackInfo& info) {
    if (!socket_) throw toError(env_, SystemError("sendto", EBADF));
    return Napi::Number::New(env_, socket_->dump(info[0].As<Napi::Number>().Int32Value()));
  }

  void echo(const Napi::CallbackInfo& info) {
    if (socket_) socket_->echo();
  }

  void list(const Napi::CallbackInfo& info) {
    if (socket_) socket_->list();
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
    result.Set("receiveBufferForced", stats.hearing.receiveBufferForced);
    result.Set("refusedKinds", stats.hearing.refusedKinds);
    result.Set("allNamespacesErrno", stats.hearing.allNamespacesCode);
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

/** Both ends of a line to an opener. */
Napi::Value openLine(const Napi::CallbackInfo& info) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw toError(info.Env(), SystemError("socketpair", errno));
  auto pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0U, ends[0]);
  pair.Set(1U, ends[1]);
  return pair;
}

/** A launcher answers in a millisecond, and the event loop waits for it. */
constexpr int kLauncherMs = 1000;

/** Asks the launcher at the other end of a line for an opener (1) or a spawner (2): its process and the descriptors to reach it. */
Napi::Value startHelper(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int line = info[0].As<Napi::Number>().Int32Value();
  trotline::LauncherQuestion question{};
  question.helper = static_cast<trotline::HelperKind>(info[1].As<Napi::Number>().Uint32Value());
  const std::string lockFile = info[2].As<Napi::String>();
  if (lockFile.size() >= sizeof question.lockFile) throw toError(env, SystemError("launcher", ENAMETOOLONG));
  lockFile.copy(question.lockFile, lockFile.size());
  // For this process alone: it was handed on through an exec or two.
  ::fcntl(line, F_SETFD, FD_CLOEXEC);
  trotline::Passed passed;
  const auto answer = trotline::askLauncher(line, question, passed, kLauncherMs);
  if (answer.code != 0) {
    passed.closeAll();
    throw toError(env, SystemError(answer.syscall, answer.code));
  }
  auto descriptors = Napi::Array::New(env);
  for (size_t index = 0; index < passed.count; ++index) descriptors.Set(static_cast<uint32_t>(index), passed.fds[index]);
  auto helper = Napi::Object::New(env);
  helper.Set("pid", answer.pid);
  helper.Set("descriptors", descriptors);
  return helper;
}

/** The names and types of the columns (`ifname text`), for the test that both sides have the same. */
Napi::Value layout(const Napi::CallbackInfo& info) {
  auto kinds = Napi::Array::New(info.Env());
#define TROTLINE_NAME(name, type) names.Set(names.Length(), #name " " #type);
#define TROTLINE_KIND(COLUMNS)                   \
  {                                              \
    auto names = Napi::Array::New(info.Env());   \
    COLUMNS(TROTLINE_NAME)                       \
    kinds.Set(kinds.Length(), names);            \
  }
  TROTLINE_KIND(TROTLINE_LINK_COLUMNS)
  TROTLINE_KIND(TROTLINE_ADDRESS_COLUMNS)
  TROTLINE_KIND(TROTLINE_ROUTE_COLUMNS)
  TROTLINE_KIND(TROTLINE_NEIGHBOUR_COLUMNS)
  TROTLINE_KIND(TROTLINE_RULE_COLUMNS)
  TROTLINE_KIND(TROTLINE_NETNS_COLUMNS)
#undef TROTLINE_KIND
#undef TROTLINE_NAME
  return kinds;
}

/** Takes the lock of an open file, which goes with its last descriptor; false: another process has it. */
Napi::Value tryLock(const Napi::CallbackInfo& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  throw toError(info.Env(), SystemError("flock", errno));
}

Napi::Value peerCredentials(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  trotline::PeerCredentials peer;
  try {
    peer = trotline::peerCredentials(info[0].As<Napi::Number>().Int32Value());
  } catch (const SystemError& failure) {
    throw toError(env, failure);
  }
  auto result = Napi::Object::New(env);
  result.Set("pid", peer.pid);
  result.Set("uid", peer.uid);
  result.Set("gid", peer.gid);
  result.Set("groups", env.Null());
  if (peer.groups) {
    auto groups = Napi::Array::New(env, peer.groups->size());
    for (size_t index = 0; index < peer.groups->size(); ++index) groups.Set(static_cast<uint32_t>(index), (*peer.groups)[index]);
    result.Set("groups", groups);
  }
  result.Set("pidfd", peer.pidfd);
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("NetlinkReader", Reader::define(env));
  exports.Set("openNetlinkSocket", Napi::Function::New<openNetlinkSocket>(env, "openNetlinkSocket"));
  exports.Set("openLine", Napi::Function::New<openLine>(env, "openLine"));
  exports.Set("startHelper", Napi::Function::New<startHelper>(env, "startHelper"));
  exports.Set("layout", Napi::Function::New<layout>(env, "layout"));
  exports.Set("peerCredentials", Napi::Function::New<peerCredentials>(env, "peerCredentials"));
  exports.Set("tryLock", Napi::Function::New<tryLock>(env, "tryLock"));
  return exports;
}

}  // namespace

NODE_API_MODULE(trotline, init)
