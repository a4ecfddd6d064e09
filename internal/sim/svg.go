package sim

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Size of the drawing and its margins, in pixels.
const (
	svgWidth, svgHeight     = 760, 420
	svgLeft, svgTop         = 60, 40
	svgRight, svgBottom     = 190, 50
	svgFirst, svgLast       = 2.0, 1000.0 // seconds
	svgPlotWide, svgPlotTal = svgWidth - svgLeft - svgRight, svgHeight - svgTop - svgBottom
)

// colours tell kinds apart, also for those who see fewer of them (Okabe and Ito 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"}

// SVG draws, for each kind of outage, the share of outages that was paged by each
// time after the onset. The same report gives the same bytes.
func (r *Report) SVG() []byte {
	var b strings.Builder
	x := func(s float64) float64 {
		s = min(svgLast, max(svgFirst, s))
		return svgLeft + svgPlotWide*math.Log(s/svgFirst)/math.Log(svgLast/svgFirst)
	}
	y := func(share float64) float64 { return svgTop + svgPlotTal*(1-share) }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, svgHeight)
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="14">Outages paged, by seconds since onset (world %s, %d regions)</text>`+"\n", svgLeft, html.EscapeString(r.Options.World.Name), r.Options.Regions)
	for _, s := range []float64{2, 5, 10, 20, 50, 100, 200, 500, 1000} {
		fmt.Fprintf(&b, `<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n",
			x(s), svgTop, svgTop+svgPlotTal, x(s), svgTop+svgPlotTal+18, s)
	}
	for _, p := range []float64{0, 0.25, 0.5, 0.75, 0.95, 1} {
		fmt.Fprintf(&b, `<path d="M%d %.1f H%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f %%</text>`+"\n",
			svgLeft, y(p), svgLeft+svgPlotWide, svgLeft-6, y(p)+4, 100*p)
	}
	for i, k := range r.Results {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<path fill="none" stroke="%s" stroke-width="2" d="M%.1f %.1f`, colour, x(svgFirst), y(0))
		const steps = 100
		for j := 1; j <= steps; j++ {
			if q := k.Quantile(float64(j) / steps); !math.IsInf(q, 1) && !math.IsNaN(q) {
				fmt.Fprintf(&b, " L%.1f %.1f", x(q), y(float64(j)/steps))
			}
		}
		fmt.Fprintf(&b, `"/><text x="%d" y="%d" fill="%s">%s</text>`+"\n", svgLeft+svgPlotWide+12, svgTop+14+i*20, colour, html.EscapeString(string(k.Kind)))
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}
