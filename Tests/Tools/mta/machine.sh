#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the bmsd authors
#
# machine.sh TAR FOLDER COMMAND...: unpacks a Debian into memory, seen at an empty folder, and runs a
# command as its process 1.
# To be called in namespaces of its own: mount, pid, uts, ipc, cgroup and network.

set -eu
tar=$1
root=$2
shift 2

mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$root"
tar --extract --numeric-owner --xattrs --file "$tar" --directory "$root" --exclude='./dev/*'

# What it could change of the kernel around it is read-only or not there.
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup "$root/sys/fs/cgroup" 2>/dev/null || true
mount -t tmpfs -o mode=755,nosuid device "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,mode=620,ptmxmode=666 terminals "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs -o mode=1777,nosuid,nodev shared "$root/dev/shm"
mount -t tmpfs -o mode=755,nosuid,nodev run "$root/run"

echo machine >/proc/sys/kernel/hostname
echo machine >"$root/etc/hostname"
echo '127.0.0.1 localhost machine' >"$root/etc/hosts"
rm -f "$root/etc/resolv.conf"

cd "$root"
pivot_root . mnt
exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-sys_boot,-syslog,-mac_admin,-wake_alarm \
  chroot . /bin/sh -c 'umount -l /mnt; exec env -i container=machine PATH="$0" "$@"' \
  /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
