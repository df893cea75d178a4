#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors
#
# sandbox.sh FOLDER COMMAND...: runs a command that sees the files of FOLDER/etc in place of those
# in /etc, the name in FOLDER/hostname as its host's, and FOLDER/log as /dev/log.
# To be called in a mount namespace of its own (and UTS namespace, if there is a hostname).

set -eu
folder=$1
shift

for file in "$folder"/etc/*; do
  target=/etc/${file##*/}
  if [ -e "$file" ] && [ -e "$target" ]; then mount --bind "$file" "$target"; fi
done

if [ -e "$folder/hostname" ]; then cat "$folder/hostname" >/proc/sys/kernel/hostname; fi

# /dev has no place for a log socket where no system logger runs, so it is laid out anew.
if [ -S "$folder/log" ]; then
  mkdir -p "$folder/dev"
  mount -t tmpfs -o mode=755 dev "$folder/dev"
  for device in null zero full random urandom tty; do
    touch "$folder/dev/$device"
    mount --bind "/dev/$device" "$folder/dev/$device"
  done
  ln -s /proc/self/fd "$folder/dev/fd"
  ln -s "$folder/log" "$folder/dev/log"
  mount --rbind "$folder/dev" /dev
fi

# This shell stays process 1 and passes signals on: the kernel would forget to end the server with
# us, since a server that changes its user loses its parent-death signal.
"$@" &
server=$!
trap 'kill -HUP $server' HUP
trap 'kill -TERM $server' TERM
while kill -0 $server 2>/dev/null; do
  status=0
  wait $server || status=$?
done
exit $status
