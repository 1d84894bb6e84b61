#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

namespace trotline {

/** Room for many datagrams of a netlink socket that are read with one call. */
class ReceiveBuffers {
 public:
  static constexpr size_t kSlots = 32;

  struct Datagram {
    const uint8_t* bytes;
    size_t size;
    bool fromKernel;
    bool truncated;
    /** Sent to a group: a notification, no answer. */
    bool isNotification;
    /** The nsid of the namespace that it is about, -1 where the kernel named none. */
    int32_t nsid;
  };

  ReceiveBuffers() : bytes_(new uint8_t[kSlots * kSlotBytes]) {
    for (size_t index = 0; index < kSlots; ++index) vectors_[index] = {bytes_.get() + index * kSlotBytes, kSlotBytes};
  }

  /** As recvmmsg: how many came, or -1 with errno; EAGAIN when there is none. */
  int receive(int fd, size_t count) {
    for (size_t index = 0; index < count; ++index) {
      msghdr& header = headers_[index].msg_hdr;
      header = {};
      header.msg_name = &senders_[index];
      header.msg_namelen = sizeof(sockaddr_nl);
      header.msg_iov = &vectors_[index];
      header.msg_iovlen = 1;
      header.msg_control = controls_[index].bytes;
      header.msg_controllen = sizeof controls_[index].bytes;
    }
    return ::recvmmsg(fd, headers_.data(), static_cast<unsigned>(count), MSG_DONTWAIT, nullptr);
  }

  Datagram datagram(int index) {
    const auto at = static_cast<size_t>(index);
    msghdr& header = headers_[at].msg_hdr;
    return {static_cast<const uint8_t*>(vectors_[at].iov_base),
            headers_[at].msg_len,
            senders_[at].nl_pid == 0,
            (header.msg_flags & MSG_TRUNC) != 0,
            senders_[at].nl_groups != 0,
            nsidOf(header)};
  }

 private:
  // The kernel's dump datagrams have at most 32 KiB; pages that are never written cost nothing.
  static constexpr size_t kSlotBytes = 64 * 1024;

  struct Control {
    alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int32_t)) + CMSG_SPACE(sizeof(nl_pktinfo))];
  };

  static int32_t nsidOf(msghdr& header) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
      if (control->cmsg_level != SOL_NETLINK || control->cmsg_type != NETLINK_LISTEN_ALL_NSID) continue;
      int32_t nsid = -1;
      std::memcpy(&nsid, CMSG_DATA(control), sizeof nsid);
      return nsid;
    }
    return -1;
  }

  std::unique_ptr<uint8_t[]> bytes_;
  std::array<iovec, kSlots> vectors_{};
  std::array<sockaddr_nl, kSlots> senders_{};
  std::array<mmsghdr, kSlots> headers_{};
  std::array<Control, kSlots> controls_{};
};

}  // namespace trotline
