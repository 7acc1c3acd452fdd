//! How `df` shows the figures of a file system.

use carrick_sftp::msg::Statvfs;

use super::ls::in_units;

/// The table, with its heading.
pub(super) fn table(figures: &Statvfs, units: bool, inodes: bool) -> String {
    let Statvfs {
        blocks,
        blocks_free,
        blocks_available,
        files,
        files_free,
        ..
    } = *figures;
    // Servers that know no fragments say 0.
    let size = match figures.fragment_size {
        0 => figures.block_size,
        size => size,
    };
    let bytes = |blocks: u64| blocks.saturating_mul(size);
    if inodes {
        return format!(
            "     Inodes        Used       Avail      (root)    %Capacity\n\
             {files:>11} {:>11} {:>11} {files_free:>11}         {}\n",
            files.saturating_sub(files_free),
            figures.files_available,
            used(files, files_free)
        );
    }
    let taken = blocks.saturating_sub(blocks_free);
    let capacity = used(blocks, blocks_free);
    if units {
        let cell = |blocks| format!("{:>7}B", in_units(bytes(blocks)));
        return format!(
            "    Size     Used    Avail   (root)    %Capacity\n{} {} {} {}         {capacity}\n",
            cell(blocks),
            cell(taken),
            cell(blocks_available),
            cell(blocks_free),
        );
    }
    let cell = |blocks| format!("{:>12}", bytes(blocks) / 1024);
    format!(
        "        Size         Used        Avail       (root)    %Capacity\n{} {} {} {}         {capacity}\n",
        cell(blocks),
        cell(taken),
        cell(blocks_available),
        cell(blocks_free),
    )
}

/// How much of it is in use.
fn used(all: u64, free: u64) -> String {
    if all == 0 {
        return "ERR".into();
    }
    let percent = u128::from(all.saturating_sub(free)) * 100 / u128::from(all);
    format!("{percent:>3}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_as_openssh_has_them() {
        let figures = Statvfs {
            block_size: 4096,
            fragment_size: 4096,
            blocks: 66_053_021,
            blocks_free: 54_172_322,
            blocks_available: 11_940_773,
            files: 16_777_216,
            files_free: 16_199_633,
            files_available: 16_199_633,
            id: 0,
            flags: 0,
            name_max: 255,
        };
        assert_eq!(
            table(&figures, false, false),
            "        Size         Used        Avail       (root)    %Capacity\n\
             \x20  264212084     47522796     47763092    216689288          17%\n"
        );
        assert_eq!(
            table(&figures, true, false),
            "    Size     Used    Avail   (root)    %Capacity\n\
             \x20  252GB   45.3GB   45.5GB    207GB          17%\n"
        );
        for units in [false, true] {
            assert_eq!(
                table(&figures, units, true),
                "     Inodes        Used       Avail      (root)    %Capacity\n\
                 \x20  16777216      577583    16199633    16199633           3%\n"
            );
        }
    }

    #[test]
    fn figures_that_make_no_sense() {
        let figures = Statvfs {
            block_size: u64::MAX,
            fragment_size: 0,
            blocks: 0,
            blocks_free: u64::MAX,
            blocks_available: u64::MAX,
            files: u64::MAX,
            files_free: 0,
            files_available: 0,
            id: 0,
            flags: 0,
            name_max: 0,
        };
        assert!(table(&figures, true, false).contains("16.0EB"));
        assert!(table(&figures, false, false).ends_with(" ERR\n"));
        assert!(table(&figures, false, true).contains("100%"));
    }
}
