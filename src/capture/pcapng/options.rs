//! Options at the end of a pcapng block: code, length, value padded to four bytes.

use std::marker::PhantomData;

use crate::capture::byte_order::ByteOrder;

const END_OF_OPTIONS: u16 = 0;

/// Walks options; an error ends the walk.
pub(super) struct Options<'a, O> {
    rest: &'a [u8],
    order: PhantomData<O>,
}

impl<'a, O: ByteOrder> Options<'a, O> {
    /// `bytes` run from the first option to the end of the block's body.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            order: PhantomData,
        }
    }
}

impl<'a, O: ByteOrder> Iterator for Options<'a, O> {
    /// Code and value.
    type Item = Result<(u16, &'a [u8]), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        // Fewer bytes than an option has: the end marker may be left out.
        let (head, rest) = self.rest.split_first_chunk::<4>()?;
        let code = O::u16_at(head, 0);
        if code == END_OF_OPTIONS {
            self.rest = &[];
            return None;
        }
        let length = usize::from(O::u16_at(head, 2));
        let Some(value) = rest.get(..length) else {
            self.rest = &[];
            return Some(Err("an option runs past the end of its block"));
        };
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok((code, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::byte_order::{Big, Little};

    #[test]
    fn walks_values_of_every_padding() {
        let bytes = [
            2, 0, 1, 0, 0xaa, 0, 0, 0, // one byte
            3, 0, 4, 0, 1, 2, 3, 4, // four bytes
            4, 0, 0, 0, // none
            0, 0, 0, 0, // end
            9, 0, 1, 0, 6, 0, 0, 0, // after the end
        ];
        let options: Result<Vec<_>, _> = Options::<Little>::new(&bytes).collect();
        assert_eq!(
            options.unwrap(),
            [(2, &[0xaa][..]), (3, &[1, 2, 3, 4][..]), (4, &[][..])]
        );
    }

    #[test]
    fn ends_where_the_block_does() {
        let one = Ok((9, &[6][..]));
        assert!(Options::<Big>::new(&[0, 9, 0, 1, 6]).eq([one]));
        assert!(Options::<Big>::new(&[0, 9, 0]).next().is_none());
        let mut cut = Options::<Big>::new(&[0, 9, 0, 2, 6]);
        assert!(cut.next().unwrap().is_err() && cut.next().is_none());
    }
}
