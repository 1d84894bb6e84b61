#include "opener_protocol.hh"

#include "descriptor_passing.hh"

namespace trotline {

int sendAnswer(int socket, const OpenerAnswer& answer, int fd) {
  Passed passed;
  if (fd >= 0) passed.add(fd);
  return sendMessage(socket, &answer, sizeof answer, passed);
}

int receiveAnswer(int socket, OpenerAnswer& answer, int& fd, int timeoutMs) {
  Passed passed;
  const int code = receiveMessage(socket, &answer, sizeof answer, passed, timeoutMs);
  fd = passed.fds[0];
  return code;
}

}  // namespace trotline
