//! One-vs-rest linear classifiers with squared hinge loss, trained by dual coordinate descent (Hsieh et al. 2008, as in
//! liblinear: shrinking, random order). Seeded: the same rows give the same weights. Knows nothing of text.

/// A sparse row: feature and value, features ascending.
pub type Row = Vec<(u32, f32)>;

/// Weights of all classes.
#[derive(Clone, Debug)]
pub struct Linear {
    classes: usize,
    /// Feature by feature, all classes of a feature together.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// How long and how hard to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Weight of errors against simplicity.
    pub cost: f32,
    /// Stop when no gradient is larger than this.
    pub tolerance: f32,
    /// Most passes over the rows.
    pub passes: usize,
    /// Seed of the order of rows.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cost: 1.0, tolerance: 0.05, passes: 60, seed: 0x7469_6e67 }
    }
}

impl Linear {
    /// Trains one classifier a class. `labels[i]` is the class of `rows[i]`.
    pub fn train(rows: &[Row], labels: &[usize], classes: usize, features: usize, options: Options) -> Self {
        let norms: Vec<f32> = rows.iter().map(|row| 1.0 + row.iter().map(|(_, v)| v * v).sum::<f32>()).collect();
        let mut all = Self { classes, weights: vec![0.0; classes * features], bias: vec![0.0; classes] };
        for first in (0..classes).step_by(LANES) {
            let lanes = LANES.min(classes - first);
            let mut block = Block::new(rows, labels, &norms, first, lanes, features, options);
            block.train(options);
            for (feature, weights) in block.weights.iter().enumerate() {
                let at = feature * classes + first;
                all.weights[at..at + lanes].copy_from_slice(&weights[..lanes]);
            }
            all.bias[first..first + lanes].copy_from_slice(&block.bias[..lanes]);
        }
        all
    }

    /// One score a class; above 0 is "yes".
    pub fn scores(&self, row: &[(u32, f32)]) -> Vec<f32> {
        let mut scores = self.bias.clone();
        for (feature, value) in row {
            let at = *feature as usize * self.classes;
            if let Some(weights) = self.weights.get(at..at + self.classes) {
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += weight * value;
                }
            }
        }
        scores
    }

    /// Bytes that the weights take.
    pub fn bytes(&self) -> usize {
        self.weights.len() * size_of::<f32>()
    }
}

/// Classes that are trained side by side: each row is read once for all of them, eight numbers at a time.
const LANES: usize = 8;
type Lanes = [f32; LANES];

/// Some classes in training, one a lane.
struct Block<'a> {
    rows: &'a [Row],
    labels: &'a [usize],
    norms: &'a [f32],
    diagonal: f32,
    /// Class of the first lane.
    first: usize,
    weights: Vec<Lanes>,
    bias: Lanes,
    alpha: Vec<Lanes>,
    /// Lanes in which a row still counts.
    active: Vec<u8>,
    shrink_above: Lanes,
    /// Lanes that have not converged.
    open: u8,
}

/// What a pass over the rows has found, lane by lane.
struct Pass {
    highest: Lanes,
    lowest: Lanes,
    kept: [usize; LANES],
}

impl<'a> Block<'a> {
    fn new(
        rows: &'a [Row],
        labels: &'a [usize],
        norms: &'a [f32],
        first: usize,
        lanes: usize,
        features: usize,
        options: Options,
    ) -> Self {
        let open = u8::try_from((1_u16 << lanes) - 1).unwrap_or(u8::MAX);
        Self {
            rows,
            labels,
            norms,
            diagonal: 0.5 / options.cost,
            first,
            weights: vec![[0.0; LANES]; features],
            bias: [0.0; LANES],
            alpha: vec![[0.0; LANES]; rows.len()],
            active: vec![open; rows.len()],
            shrink_above: [f32::INFINITY; LANES],
            open,
        }
    }

    fn train(&mut self, options: Options) {
        let mut random = Random(options.seed | 1);
        for _ in 0..options.passes {
            let mut order: Vec<usize> = (0..self.rows.len()).filter(|row| self.active[*row] & self.open != 0).collect();
            random.shuffle(&mut order);
            let mut pass =
                Pass { highest: [f32::NEG_INFINITY; LANES], lowest: [f32::INFINITY; LANES], kept: [0; LANES] };
            for row in order {
                self.step(row, &mut pass);
            }
            self.end_pass(&pass, options.tolerance);
            if self.open == 0 {
                break;
            }
        }
    }

    /// One row in every lane where it counts.
    fn step(&mut self, row: usize, pass: &mut Pass) {
        let mut dots = self.bias;
        for (feature, value) in &self.rows[row] {
            let weights = &self.weights[*feature as usize];
            for (dot, weight) in dots.iter_mut().zip(weights) {
                *dot += weight * value;
            }
        }
        let (mut steps, mut moved) = ([0.0_f32; LANES], false);
        let lanes = self.active[row] & self.open;
        for lane in (0..LANES).filter(|lane| lanes & (1 << lane) != 0) {
            let sign = if self.labels[row] == self.first + lane { 1.0 } else { -1.0 };
            let old = self.alpha[row][lane];
            let gradient = sign * dots[lane] - 1.0 + self.diagonal * old;
            if old == 0.0 && gradient > self.shrink_above[lane] {
                self.active[row] &= !(1 << lane);
                continue;
            }
            pass.kept[lane] += 1;
            let projected = if old == 0.0 { gradient.min(0.0) } else { gradient };
            pass.highest[lane] = pass.highest[lane].max(projected);
            pass.lowest[lane] = pass.lowest[lane].min(projected);
            if projected.abs() > 1e-9 {
                let new = (old - gradient / (self.norms[row] + self.diagonal)).max(0.0);
                self.alpha[row][lane] = new;
                steps[lane] = (new - old) * sign;
                moved = true;
            }
        }
        if !moved {
            return;
        }
        for (feature, value) in &self.rows[row] {
            let weights = &mut self.weights[*feature as usize];
            for (weight, step) in weights.iter_mut().zip(&steps) {
                *weight += step * value;
            }
        }
        for (bias, step) in self.bias.iter_mut().zip(&steps) {
            *bias += step;
        }
    }

    /// Lanes that have converged are closed; one that has on some rows only looks at all of them again.
    fn end_pass(&mut self, pass: &Pass, tolerance: f32) {
        let open = self.open;
        for lane in (0..LANES).filter(|lane| open & (1 << lane) != 0) {
            let highest = pass.highest[lane];
            if highest - pass.lowest[lane] > tolerance {
                self.shrink_above[lane] = if highest > 0.0 { highest } else { f32::INFINITY };
            } else if pass.kept[lane] == self.rows.len() {
                self.open &= !(1 << lane);
            } else {
                self.active.iter_mut().for_each(|lanes| *lanes |= 1 << lane);
                self.shrink_above[lane] = f32::INFINITY;
            }
        }
    }
}

/// xorshift64*: order of rows only, nothing secret.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            let other = (self.next() >> 33) as usize % (last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_what_can_be_separated_the_same_way_each_time() {
        let rows: Vec<Row> = (0..60).map(|i| vec![(i % 3, 1.0), (3 + i % 7, 0.5)]).collect();
        let labels: Vec<usize> = (0..60).map(|i| i % 3).collect();
        let train = || Linear::train(&rows, &labels, 3, 10, Options::default());
        let model = train();
        for (row, label) in rows.iter().zip(&labels) {
            let scores = model.scores(row);
            let best = (0..3).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
            assert_eq!(best, Some(*label));
            assert!(scores[*label] > 0.0);
        }
        assert_eq!(train().weights, model.weights);
    }

    #[test]
    fn unknown_features_and_no_rows_are_harmless() {
        let model = Linear::train(&[], &[], 2, 0, Options::default());
        assert_eq!(model.scores(&[(99, 1.0)]), vec![0.0, 0.0]);
    }
}
