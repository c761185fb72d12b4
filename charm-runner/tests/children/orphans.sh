#!/bin/sh
# Makes $1 orphans that end at once, 25 at a time, then exits with 5.
left=$1
while [ "$left" -gt 0 ]; do
    (: & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : & : &)
    left=$((left - 25))
done
exit 5
