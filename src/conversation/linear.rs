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
        for class in 0..classes {
            let (weights, bias) = one_class(rows, labels, class, &norms, features, options);
            for (feature, weight) in weights.into_iter().enumerate() {
                all.weights[feature * classes + class] = weight;
            }
            all.bias[class] = bias;
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

fn one_class(
    rows: &[Row],
    labels: &[usize],
    class: usize,
    norms: &[f32],
    features: usize,
    options: Options,
) -> (Vec<f32>, f32) {
    let diagonal = 0.5 / options.cost;
    let mut weights = vec![0.0_f32; features];
    let mut bias = 0.0_f32;
    let mut alpha = vec![0.0_f32; rows.len()];
    let mut active: Vec<usize> = (0..rows.len()).collect();
    let mut random = Random(options.seed | 1);
    let mut shrink_above = f32::INFINITY;
    for _ in 0..options.passes {
        random.shuffle(&mut active);
        let (mut highest, mut lowest) = (f32::NEG_INFINITY, f32::INFINITY);
        let mut kept = 0;
        for at in 0..active.len() {
            let i = active[at];
            let sign = if labels[i] == class { 1.0 } else { -1.0 };
            let dot = rows[i].iter().map(|(f, v)| weights[*f as usize] * v).sum::<f32>() + bias;
            let gradient = sign * dot - 1.0 + diagonal * alpha[i];
            if alpha[i] == 0.0 && gradient > shrink_above {
                continue;
            }
            active[kept] = i;
            kept += 1;
            let projected = if alpha[i] == 0.0 { gradient.min(0.0) } else { gradient };
            highest = highest.max(projected);
            lowest = lowest.min(projected);
            if projected.abs() > 1e-9 {
                let old = alpha[i];
                alpha[i] = (old - gradient / (norms[i] + diagonal)).max(0.0);
                let step = (alpha[i] - old) * sign;
                for (f, v) in &rows[i] {
                    weights[*f as usize] += step * v;
                }
                bias += step;
            }
        }
        let all = kept == rows.len();
        active.truncate(kept);
        if highest - lowest <= options.tolerance {
            if all {
                break;
            }
            active = (0..rows.len()).collect();
            shrink_above = f32::INFINITY;
        } else {
            shrink_above = if highest > 0.0 { highest } else { f32::INFINITY };
        }
    }
    (weights, bias)
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
