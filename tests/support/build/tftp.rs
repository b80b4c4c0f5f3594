//! TFTP messages (RFC 1350, 2347) and transfers with options, windows (RFC 7440) and loss.

use std::net::SocketAddr;

use super::recording::Recording;

/// Block size without an option.
const DEFAULT_BLOCK: usize = 512;

pub fn read_request(file: &str, options: &[(&str, &str)]) -> Vec<u8> {
    request(1, file, options)
}

pub fn write_request(file: &str, options: &[(&str, &str)]) -> Vec<u8> {
    request(2, file, options)
}

fn request(opcode: u8, file: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut message = vec![0, opcode];
    message.extend(file.as_bytes());
    message.extend(b"\0octet\0");
    message.extend(pairs(options));
    message
}

pub fn data(block: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 3];
    message.extend(block.to_be_bytes());
    message.extend(payload);
    message
}

pub fn ack(block: u16) -> Vec<u8> {
    let [high, low] = block.to_be_bytes();
    vec![0, 4, high, low]
}

pub fn error(code: u16, text: &str) -> Vec<u8> {
    let mut message = vec![0, 5];
    message.extend(code.to_be_bytes());
    message.extend(text.as_bytes());
    message.push(0);
    message
}

pub fn oack(options: &[(&str, &str)]) -> Vec<u8> {
    let mut message = vec![0, 6];
    message.extend(pairs(options));
    message
}

fn pairs(options: &[(&str, &str)]) -> Vec<u8> {
    options
        .iter()
        .flat_map(|(name, value)| [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat())
        .collect()
}

/// A read of one file.
#[derive(Clone, Debug)]
pub struct Tftp<'a> {
    pub client: SocketAddr,
    /// Where the request goes: port 69.
    pub server: SocketAddr,
    /// The server's transfer identifier.
    pub answer_port: u16,
    pub file: &'a str,
    /// Asked for by the client.
    pub asked: &'a [(&'a str, &'a str)],
    /// Granted by the server; none means that it sends no OACK.
    pub granted: &'a [(&'a str, &'a str)],
    pub bytes: usize,
    /// Indices of blocks, from 0, that get lost behind the point of capture: their window is
    /// sent twice.
    pub lost: &'a [usize],
}

impl<'a> Tftp<'a> {
    /// A transfer without options.
    pub fn new(client: SocketAddr, server: SocketAddr, file: &'a str, bytes: usize) -> Self {
        Self {
            client,
            server,
            answer_port: 50_000,
            file,
            asked: &[],
            granted: &[],
            bytes,
            lost: &[],
        }
    }

    /// The request alone.
    pub fn ask(&self, out: &mut Recording) {
        out.udp(
            self.client,
            self.server,
            &read_request(self.file, self.asked),
        );
    }

    /// Request, and an error in place of an answer.
    pub fn fail(&self, code: u16, text: &str, out: &mut Recording) {
        self.ask(out);
        out.udp(self.transfer_end(), self.client, &error(code, text));
    }

    /// Request, OACK, and the client's error 8: it only wanted to know the size.
    pub fn probe(&self, out: &mut Recording) {
        self.ask(out);
        out.udp(self.transfer_end(), self.client, &oack(self.granted));
        out.udp(
            self.client,
            self.transfer_end(),
            &error(8, "User aborted the transfer"),
        );
    }

    /// The whole transfer.
    pub fn run(&self, out: &mut Recording) {
        self.ask(out);
        let server = self.transfer_end();
        if !self.granted.is_empty() {
            out.udp(server, self.client, &oack(self.granted));
            out.udp(self.client, server, &ack(0));
        }
        let size = self.option("blksize").unwrap_or(DEFAULT_BLOCK);
        let window = self.option("windowsize").unwrap_or(1);
        // A last block shorter than the others ends the file: an empty one where none is.
        let blocks = self.bytes / size + 1;
        for start in (0..blocks).step_by(window) {
            let end = (start + window).min(blocks);
            if (start..end).any(|index| self.lost.contains(&index)) {
                self.window(start..end, size, out);
                out.wait_ms(1000);
            }
            self.window(start..end, size, out);
            out.udp(self.client, server, &ack(end as u16));
        }
    }

    fn window(&self, indices: std::ops::Range<usize>, size: usize, out: &mut Recording) {
        for index in indices {
            let length = size.min(self.bytes - index * size);
            // Block numbers are 16 bits wide and wrap.
            let message = data((index + 1) as u16, &vec![index as u8; length]);
            out.udp(self.transfer_end(), self.client, &message);
        }
    }

    fn transfer_end(&self) -> SocketAddr {
        SocketAddr::new(self.server.ip(), self.answer_port)
    }

    fn option(&self, wanted: &str) -> Option<usize> {
        let (_, value) = self.granted.iter().find(|(name, _)| *name == wanted)?;
        value.parse().ok()
    }
}
