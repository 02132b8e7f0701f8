// SPDX-License-Identifier: Apache-2.0
#include "store/quota.h"

#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/file.h"

namespace berth::store {

namespace {

constexpr int kProjectQuota = 2;  // PRJQUOTA of linux/quota.h, which can't be included beside sys/quota.h

std::string file_system_name(int folder) {
    struct statfs status{};
    if (::fstatfs(folder, &status) < 0) return "its file system";
    switch (static_cast<uint64_t>(status.f_type)) {
        case EXT4_SUPER_MAGIC: return "ext4";
        case XFS_SUPER_MAGIC: return "xfs";
        case TMPFS_MAGIC: return "tmpfs";
        case BTRFS_SUPER_MAGIC: return "btrfs";
        case OVERLAYFS_SUPER_MAGIC: return "overlay";
        default: return fmt::format("file system 0x{:x}", static_cast<uint64_t>(status.f_type));
    }
}

Error unsupported(int folder, const std::string& path, int code) {
    return Error(
        ErrorKind::not_implemented,
        fmt::format("a size limit needs project quotas, which {} does not have ({}: {}); mount an xfs with "
                    "the option prjquota, or an ext4 with the features quota and project and prjquota",
                    path, file_system_name(folder), errno_text(code)),
        code);
}

/// The generic quota code of the kernel takes XFS's structure for ext4 too.
int set_limit(int folder, uint32_t project, uint64_t bytes) {
    fs_disk_quota limit{};
    limit.d_version = FS_DQUOT_VERSION;
    limit.d_flags = FS_PROJ_QUOTA;
    limit.d_id = project;
    limit.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT;
    limit.d_blk_hardlimit = limit.d_blk_softlimit = (bytes + 511) / 512;
    if (::syscall(SYS_quotactl_fd, folder, QCMD(Q_XSETQLIM, kProjectQuota), project, &limit) == 0) return 0;
    return errno;
}

}  // namespace

void set_project_quota(int folder, const std::string& path, uint32_t project, uint64_t bytes) {
    // The limit first: it fails where there are no quotas at all, and then nothing was changed.
    if (int code = set_limit(folder, project, bytes); code != 0) {
        if (code == EPERM || code == EACCES) throw errno_error(code, "setting a size limit for " + path);
        throw unsupported(folder, path, code);
    }
    fsxattr attributes{};
    if (::ioctl(folder, FS_IOC_FSGETXATTR, &attributes) < 0) throw unsupported(folder, path, errno);
    attributes.fsx_projid = project;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (::ioctl(folder, FS_IOC_FSSETXATTR, &attributes) < 0) throw unsupported(folder, path, errno);
}

void clear_project_quota(int folder, uint32_t project) noexcept {
    (void)set_limit(folder, project, 0);
}

}  // namespace berth::store
