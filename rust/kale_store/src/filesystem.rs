//! Which file system a folder is on: SQLite's WAL needs memory shared between processes, which network file systems
//! do not give, and fails there with errors that look like damage.

use std::path::Path;

/// Whether the folder is on a file system whose locks or shared memory cannot be trusted with a WAL.
#[cfg(target_os = "linux")]
pub fn is_network(folder: &Path) -> bool {
    kind(folder).is_some_and(is_network_kind)
}

/// Elsewhere SQLite's own judgement has to do.
#[cfg(not(target_os = "linux"))]
pub fn is_network(_folder: &Path) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn kind(folder: &Path) -> Option<u32> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: `path` is a C string that outlives the call; `statfs` is plain data that the call fills.
    let filled = unsafe {
        let mut stat: libc::statfs = std::mem::zeroed();
        (libc::statfs(path.as_ptr(), &raw mut stat) == 0).then_some(stat)
    };
    // The magic numbers are 32 bits wide; the field's width differs between architectures.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::unnecessary_cast)]
    filled.map(|stat| stat.f_type as u32)
}

/// Numbers of `statfs(2)`. FUSE is on the list since `sshfs`, `s3fs` and `gcsfuse` cannot be told from a local one.
#[cfg(target_os = "linux")]
fn is_network_kind(magic: u32) -> bool {
    const NFS: u32 = 0x6969;
    const SMB: u32 = 0x517B;
    const SMB2: u32 = 0xFE53_4D42;
    const CIFS: u32 = 0xFF53_4D42;
    const FUSE: u32 = 0x6573_5546;
    const NINE_P: u32 = 0x0102_1997;
    const LUSTRE: u32 = 0x0BD0_0BD0;
    const CEPH: u32 = 0x00C3_6400;
    const AFS: u32 = 0x5346_414F;
    const CODA: u32 = 0x7375_7245;
    const GPFS: u32 = 0x4750_4653;
    const BEEGFS: u32 = 0x1983_0326;
    const OCFS2: u32 = 0x7461_636F;
    matches!(magic, NFS | SMB | SMB2 | CIFS | FUSE | NINE_P | LUSTRE | CEPH | AFS | CODA | GPFS | BEEGFS | OCFS2)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_by_their_numbers() {
        assert!(is_network_kind(0x6969));
        assert!(is_network_kind(0xFF53_4D42));
        assert!(!is_network_kind(0xEF53), "ext4 is local");
        assert!(!is_network_kind(0x0102_1994), "tmpfs is local");
        assert!(kind(Path::new("/proc")) == Some(0x9fa0));
        assert_eq!(kind(Path::new("/no/such/folder")), None);
    }
}
