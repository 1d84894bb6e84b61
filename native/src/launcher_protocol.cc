#include "launcher_protocol.hh"

#include <atomic>
#include <cstdio>

namespace trotline {
namespace {

LauncherAnswer failed(const char* syscall, int code) {
  LauncherAnswer answer{};
  answer.code = code;
  std::snprintf(answer.syscall, sizeof answer.syscall, "%s", syscall);
  return answer;
}

}  // namespace

LauncherAnswer askLauncher(int line, LauncherQuestion question, Passed& passed, int timeoutMs) {
  static std::atomic<uint32_t> last{0};
  question.number = ++last;
  if (const int code = sendMessage(line, &question, sizeof question, {})) return failed("sendmsg", code);
  for (;;) {
    LauncherAnswer answer{};
    if (const int code = receiveMessage(line, &answer, sizeof answer, passed, timeoutMs)) return failed("recvmsg", code);
    if (answer.number == question.number) return answer;
    passed.closeAll();
  }
}

}  // namespace trotline
