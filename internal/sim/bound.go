package sim

import "math"

// Lorden is the least mean number of canaries to which any rule can come that
// raises one false alarm in so many years: ln(gamma)/I, with gamma the canaries
// between false alarms and I the information (Kullback-Leibler, nats) of a canary
// whose fate is known (Lorden 1971). It knows nothing of regions, time-outs, or of
// how long it takes until a canary is missed, so the truth is later. Sampling on
// suspicion is the only way below it in time. ok is false for kinds of which the
// information is not known here.
func (w *World) Lorden(k Kind, regions int, years float64) (canaries float64, ok bool) {
	perDay := float64(regions) * 86400 / w.Timing.Interval.Seconds()
	gamma := math.Log(perDay * 365.25 * years)
	share := w.FaultsPerDay * w.FaultMean / 86400
	if regions > 0 {
		share += w.JointPerWeek / 7 * w.JointMean / 86400 * 2 / float64(regions)
	}
	share *= (1 - w.Detected) * w.FaultFails
	fails := w.Isolated + share*(1-w.FaultSilent)
	late := 0.5 * math.Erfc(math.Log(w.Timing.Deadline.Seconds()/w.Median)/w.Sigma/math.Sqrt2)
	lost := w.Loss + share*w.FaultSilent + late + w.TailShare*math.Exp(-(w.Timing.Deadline.Seconds()-w.TailMin)/math.Max(w.TailMean, 1e-9))
	part := func(p, p0 float64) float64 {
		x := p * math.Log(p/p0)
		if p < 1 {
			x += (1 - p) * math.Log((1-p)/(1-p0))
		}
		return x
	}
	var info float64
	switch k {
	case HardFast, HardSlow, Refusing:
		info = part(1, fails)
	case Half:
		info = part(0.5, fails)
	case Third:
		info = part(0.3, fails)
	case Swallowed, Queued:
		info = part(1, lost)
	case HalfLost, Grid:
		info = part(0.5, lost)
	case Slow20:
		info = math.Pow(math.Log(20)/w.Sigma, 2) / 2
	case Slow5:
		info = math.Pow(math.Log(5)/w.Sigma, 2) / 2
	default:
		return 0, false
	}
	return gamma / info, true
}

// RareLoss is the least share of mail lost of which at least one canary is lost
// within so many days, with probability 0.95: below it nothing can be said.
func RareLoss(canariesPerDay, days float64) float64 {
	return 1 - math.Pow(0.05, 1/(canariesPerDay*days))
}
