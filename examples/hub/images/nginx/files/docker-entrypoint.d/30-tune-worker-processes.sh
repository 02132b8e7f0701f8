#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE: as many workers as the container's CPU quota and affinity allow.
set -eu
[ -n "${NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE-}" ] || exit 0

workers=$(nproc)
quota='' period=''
if [ -r /sys/fs/cgroup/cpu.max ]; then
    read -r quota period </sys/fs/cgroup/cpu.max
elif [ -r /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]; then
    quota=$(cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us)
    period=$(cat /sys/fs/cgroup/cpu/cpu.cfs_period_us)
fi
case $quota in
    '' | max | -1) ;;
    *)
        allowed=$(((quota + period - 1) / period))
        [ "$allowed" -ge "$workers" ] || workers=$allowed
        ;;
esac
sed -i "s/^worker_processes .*/worker_processes $workers;/" /etc/nginx/nginx.conf
