#include "capabilities.hh"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace trotline {
namespace {

struct Sets {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
};

/** Each of the kernel's numbers. */
template <typename Visit>
void eachCapability(Visit visit) {
  for (int number = 0; ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; ++number) visit(number, Capabilities{1} << number);
}

int limitCapabilities(Capabilities kept, bool passed) {
  Sets sets;
  if (::syscall(SYS_capget, &sets.header, sets.data) != 0) return errno;
  // A change of user may have cleared the effective ones, and CAP_SETPCAP is needed for the bounding set.
  for (auto& word : sets.data) word.effective = word.permitted;
  if (::syscall(SYS_capset, &sets.header, sets.data) != 0) return errno;
  eachCapability([kept](int number, Capabilities one) {
    // Refused without CAP_SETPCAP; no_new_privs below keeps programs from gaining what stays in it.
    if ((kept & one) == 0) ::prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
  });
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (size_t word = 0; word < _LINUX_CAPABILITY_U32S_3; ++word) {
    const auto wanted = static_cast<uint32_t>(kept >> (32 * word));
    sets.data[word].permitted &= wanted;
    sets.data[word].effective = sets.data[word].permitted;
    sets.data[word].inheritable = passed ? sets.data[word].permitted : 0;
  }
  if (::syscall(SYS_capset, &sets.header, sets.data) != 0) return errno;
  eachCapability([kept, passed](int number, Capabilities one) {
    // Refused for one that is not there.
    if (passed && (kept & one) != 0) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
  });
  // Nor can others of this user look into this process, who do not have what it has.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? errno : 0;
}

}  // namespace

int keepCapabilities(Capabilities kept) { return limitCapabilities(kept, false); }

int passCapabilities(Capabilities passed) { return limitCapabilities(passed, true); }

}  // namespace trotline
