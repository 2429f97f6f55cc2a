//! How a page that is not held up by anything gets up to speed.
//!
//! Grants are as large as what is called in some ms, measured. A page that begins has measured nothing, and one whose calls
//! wait for grants measures only how slow the grants are: it would get faster by a few percent a grant. So as long as a
//! grant finds most slots empty, the next one is twice as large, as in TCP's slow start (RFC 5681, 3.1).

/// The least that the next grant is for, in sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ramp {
    sends: usize,
}

impl Ramp {
    /// A grant of `batch` sends came, with `calling` calls under way and `granted` sends waiting for a slot, of which there
    /// are `slots`.
    pub(super) fn granted(&mut self, batch: usize, calling: usize, granted: usize, slots: usize) {
        let is_starved = granted == 0 && calling * 2 <= slots;
        self.sends = match is_starved {
            true => self.sends.max(batch * 2),
            // By then what is measured says enough.
            false => self.sends - self.sends.div_ceil(8),
        };
    }

    /// In sends.
    pub(super) fn sends(&self) -> usize {
        self.sends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_slots_are_empty_grants_double() {
        let mut ramp = Ramp::default();
        let mut batch = 64;
        for grants in 1..=5 {
            ramp.granted(batch, 0, 0, 200);
            assert_eq!(ramp.sends(), 64 << grants);
            batch = ramp.sends();
        }
    }

    #[test]
    fn a_slow_provider_keeps_them_small() {
        let mut ramp = Ramp::default();
        ramp.granted(64, 0, 0, 200);
        ramp.granted(128, 64, 0, 200);
        assert_eq!(ramp.sends(), 256);
        ramp.granted(8, 192, 0, 200);
        assert_eq!(ramp.sends(), 224);
    }

    #[test]
    fn what_is_not_needed_any_more_is_forgotten() {
        let mut ramp = Ramp::default();
        ramp.granted(2_048, 0, 0, 200);
        for _ in 0..80 {
            ramp.granted(100, 200, 50, 200);
        }
        assert_eq!(ramp.sends(), 0);
    }
}
