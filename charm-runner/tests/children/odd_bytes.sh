#!/bin/sh
# Progress bars, NULs, Windows line ends, an empty line and a long log line, then an event.
printf '10%%\r20%%\r100%%\r\n'
printf 'a\0b\n'
printf 'dos\r\n\r\n'
head -c 70000 /dev/zero | tr '\0' 'x'
printf '\n__CHARM_EVENT__{"type": "final", "content": "after odd bytes"}\r\n'
