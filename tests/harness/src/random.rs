//! Random numbers that depend on a seed alone, so that a failed test can be repeated.

/// A generator of random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Creates a generator from its seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Draws any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut scrambled = self.0;
        scrambled = (scrambled ^ (scrambled >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        scrambled = (scrambled ^ (scrambled >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        scrambled ^ (scrambled >> 31)
    }

    /// Draws a number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() % bound as u64).unwrap()
    }
}
