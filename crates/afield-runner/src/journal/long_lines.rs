//! Lines that are too long for a record: kept whole on the runner, for as long as there is room.

use std::path::Path;

use afield_proto::CommandId;

/// Most bytes of such lines kept after their attempts are over; the oldest commands go first.
const KEPT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Keeps one line in `directory`; the names count up. Blocking.
pub(crate) fn keep(directory: &Path, number: u64, line: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join(format!("{number:06}.json")), line)
}

/// Moves the lines of an attempt that is over out of its directory, and makes room.
pub(super) fn move_out(root: &Path, command: CommandId) -> std::io::Result<()> {
    let lines = super::directory(root, command).join("lines");
    if !lines.is_dir() {
        return Ok(());
    }
    let kept = root.join("long-lines");
    std::fs::create_dir_all(&kept)?;
    let target = kept.join(command.to_string());
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    std::fs::rename(lines, target)?;
    make_room(&kept)
}

fn make_room(kept: &Path) -> std::io::Result<()> {
    let mut folders: Vec<_> =
        std::fs::read_dir(kept)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let mut bytes: u64 = folders.iter().map(|folder| size(folder)).sum();
    for folder in folders {
        if bytes <= KEPT_BYTES_MAX {
            break;
        }
        bytes -= size(&folder);
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn size(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum()
}
