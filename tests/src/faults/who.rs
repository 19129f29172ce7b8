//! Which process dialled: the owner of the other end of a loopback connection, as the kernel's tables say it.

use std::fs;

/// The one of these processes that owns the connected IPv4 socket with this local port, if any does.
pub(super) fn owner_of(port: u16, pids: impl Iterator<Item = u32>) -> Option<u32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = table.lines().skip(1).find_map(|line| inode_of(line, port))?;
    let link = format!("socket:[{inode}]");
    pids.into_iter().find(|pid| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target.to_str() == Some(&link)))
    })
}

/// The inode of a line of `/proc/net/tcp`, if its local port is this one and it is connected (state 01).
fn inode_of(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace().skip(1);
    let (_, local) = fields.next()?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?;
    (u16::from_str_radix(local, 16) == Ok(port) && state == "01").then_some(inode)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn this_process_is_found_and_others_are_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        let me = std::process::id();
        assert_eq!(owner_of(port, [1, me].into_iter()), Some(me));
        assert_eq!(owner_of(port, [1].into_iter()), None);
    }
}
