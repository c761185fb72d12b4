#!/bin/sh
# Repeats its stdin, then says so.
cat
echo that was all
