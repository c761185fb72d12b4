#!/bin/sh
# A line of $1 NUL bytes, then an event. Usage: long_line.sh 1G
head -c "$1" /dev/zero
printf '\n__CHARM_EVENT__{"type": "final", "content": "after the long line"}\n'
