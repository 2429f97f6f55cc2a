//! The cells of one row, borrowed from where the reader put them.

/// Cells that stand one after the other in one text.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    text: &'a str,
    ends: &'a [u32],
    gap: usize,
}

impl<'a> Cells<'a> {
    /// `ends[i]` is where cell `i` ends in `text`, in bytes; cell 0 begins at 0, each other one where the
    /// cell before it ends.
    pub fn new(text: &'a str, ends: &'a [u32]) -> Self {
        Cells { text, ends, gap: 0 }
    }

    /// The same with one byte, the separator of the file, between a cell and the next.
    pub fn separated(text: &'a str, ends: &'a [u32]) -> Self {
        Cells { text, ends, gap: 1 }
    }

    /// How many cells.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no cell at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Cell number `index`, from 0.
    pub fn get(&self, index: usize) -> Option<&'a str> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize + self.gap };
        self.text.get(start..end)
    }

    /// All cells.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let cells = *self;
        (0..cells.len()).map(move |index| cells.get(index).unwrap_or_default())
    }

    /// Bytes of all cells, separators included.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}
