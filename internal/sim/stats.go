package sim

import "math"

func mean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

// quantile of n values of which the smallest are in x, ascending, and the others
// are infinite.
func quantile(x []float64, q float64, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	i := max(0, int(math.Ceil(q*float64(n)))-1)
	if i >= len(x) {
		return math.Inf(1)
	}
	return x[i]
}

// poisson is the exact 95 % confidence interval of a Poisson mean of which n events
// were seen (Garwood 1936), for many events by the normal approximation.
func poisson(n int) (low, high float64) {
	k := float64(n)
	if n > 500 {
		return k - 1.96*math.Sqrt(k), k + 1.96*math.Sqrt(k+1)
	}
	// atMost is the probability of at most m events when the mean is x.
	atMost := func(m int, x float64) float64 {
		p := math.Exp(-x)
		sum := p
		for i := 1; i <= m; i++ {
			p *= x / float64(i)
			sum += p
		}
		return sum
	}
	solve := func(m int, want float64) float64 {
		lo, hi := 0.0, k+10*math.Sqrt(k+1)+10
		for range 60 {
			if mid := (lo + hi) / 2; atMost(m, mid) > want {
				lo = mid
			} else {
				hi = mid
			}
		}
		return hi
	}
	if n > 0 {
		low = solve(n-1, 0.975)
	}
	return low, solve(n, 0.025)
}
