"""The candlestick patterns as a table: what each is called, and the comparisons that make it.

A pattern is a line with its name and meaning, and rules below it, one a line or more. A rule is a value, the colours of
its candles from the oldest to this bar, and conditions that must all hold. ``+`` is a white candle (a close not below
the open), ``-`` a black one, ``.`` any. A value with ``±`` stands for two rules: the one written, and its mirror
image, in which prices and colours are turned upside down, with the opposite value. After a ``/`` follow alternatives,
of which one must hold besides what stands before them. Where several rules hold the last one gives the value.

A condition compares terms, which end in the number of bars ago. Of the bar itself:

- ``o h l c``, and ``top bottom``, the higher and the lower of open and close
- ``body range``, the sizes from open to close and from low to high; ``upper lower``, the shadows; the ``middle``
- ``part``, the share of the body that `penetration` says, or the line ``share``

and what the bars before it say is usual, the settings below: ``long short doji shadow tall brief tiny near far equal``.

Further lines: ``penetration`` and its default; ``later``, how many bars after its rules could first be asked a pattern
starts; ``confirmed``, when it is remembered for three bars and doubled by a close beyond the bar before it.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Setting(NamedTuple):
    """What counts as usual: a factor times the mean of a measure over the bars before; of a period of 0, of the bar."""

    measure: str
    period: int
    factor: float


#: Published by TA-Lib as its defaults; half the shadows is one shadow.
SETTINGS: Final = {
    "long": Setting("body", 10, 1.0),
    "short": Setting("body", 10, 1.0),
    "doji": Setting("range", 10, 0.1),
    "shadow": Setting("body", 0, 1.0),
    "tall": Setting("body", 0, 2.0),
    "brief": Setting("shadows", 10, 0.5),
    "tiny": Setting("range", 10, 0.1),
    "near": Setting("range", 5, 0.2),
    "far": Setting("range", 5, 0.6),
    "equal": Setting("range", 5, 0.05),
}

PATTERNS: Final = """
CDL2CROWS Two crows: after a tall white candle, a black one above it, then a black one that closes inside the first
    -100 +-- body2>long2 bottom1>top2 o1>o0>c1 c2>c0>o2
CDL3BLACKCROWS Three black crows: three black candles that close near their lows, each lower than the one before
    -100 +--- lower2<tiny2 lower1<tiny1 lower0<tiny0 o2>o1>c2 o1>o0>c1 h3>c2>c1>c0
CDL3INSIDE Three inside: a tall candle, a short one within it, and a close beyond the first one's open
    ±100 -.+ body2>long2 body1<=short1 top1<top2 bottom1>bottom2 c0>o2
CDL3LINESTRIKE Three-line strike: three candles of one colour, and one against them that takes all of it back
    ±100 +++- c1>c2>c3 o0>c1 c0<o3 bottom3-near3<=o2<=top3+near3 bottom2-near2<=o1<=top2+near2
CDL3OUTSIDE Three outside: a candle that engulfs the one before, and a close further on
    later 1
    ±100 -+. c1>o2 o1<c2 c0>c1
CDL3STARSINSOUTH Three stars in the south: three black candles, each smaller and within the lows of the one before
    +100 --- body2>long2 lower2>shadow2 body1<body2 c2<o1<=h2 l2<=l1<c2 lower1>tiny1 body0<short0 lower0<tiny0
        upper0<tiny0 l0>l1 h0<h1
CDL3WHITESOLDIERS Three white soldiers: three white candles that close near their highs, each higher than the one before
    +100 +++ upper2<tiny2 upper1<tiny1 upper0<tiny0 c0>c1>c2 o2<o1<=c2+near2 o1<o0<=c1+near1 body1>body2-far2
        body0>body1-far1 body0>short0
CDLABANDONEDBABY Abandoned baby: a doji with gaps on both sides between a tall candle and its reversal
    penetration 0.3
    ±100 -.+ body2>long2 body1<=doji1 body0>short0 c0>c2+part2 h1<l2 l0>h1
CDLADVANCEBLOCK Advance block: three rising white candles that tire, by smaller bodies or longer upper shadows
    -100 +++ c0>c1>c2 o2<o1<=c2+near2 o1<o0<=c1+near1 body2>long2 upper2<brief2 / body1<body2-far2
        body0<body1+near1 / body0<body1-far1 / body0<body1<body2 upper0>brief0 / body0<body1<body2 upper1>brief1
        / body0<body1 upper0>shadow0
CDLBELTHOLD Belt hold: a tall candle that opens at its extreme
    ±100 + body0>long0 lower0<tiny0
CDLBREAKAWAY Breakaway: a tall candle, a gap and two further steps its way, and a close back inside the gap
    ±100 --.-+ body4>long4 top3<bottom4 h1<h2<h3 l1<l2<l3 o3<c0<c4
CDLCLOSINGMARUBOZU Closing marubozu: a tall candle that closes at its extreme
    ±100 + body0>long0 upper0<tiny0
CDLCONCEALBABYSWALL Concealing baby swallow: four black candles, the last of which engulfs one that has tried to rise
    +100 ---- lower3<tiny3 upper3<tiny3 lower2<tiny2 upper2<tiny2 top1<bottom2 upper1>tiny1 h1>c2 h0>h1 l0<l1
CDLCOUNTERATTACK Counterattack: two tall candles of opposite colour that close at the same price
    ±100 -+ body1>long1 body0>long0 c1-equal1<=c0<=c1+equal1
CDLDARKCLOUDCOVER Dark cloud cover: a black candle that opens above a tall white one and closes deep inside it
    penetration 0.5
    -100 +- body1>long1 o0>h1 o1<c0<c1-part1
CDLDOJI Doji: a candle that closes where it opened, for its range
    +100 . body0<=doji0
CDLDOJISTAR Doji star: a doji beyond a gap after a tall candle
    ±100 -. body1>long1 body0<=doji0 top0<bottom1
CDLDRAGONFLYDOJI Dragonfly doji: a doji at the high of its bar
    +100 . body0<=doji0 upper0<tiny0 lower0>tiny0
CDLENGULFING Engulfing: a body that covers the one before, of the other colour; 80 where one end is shared
    later 1
    ±80 -+ c0>=o1 o0<c1
    ±80 -+ c0>o1 o0<=c1
    ±100 -+ c0>o1 o0<c1
CDLEVENINGDOJISTAR Evening doji star: a tall white candle, a doji above it, and a black one closing deep in the first
    penetration 0.3
    -100 +.- body2>long2 body1<=doji1 bottom1>top2 body0>short0 c0<c2-part2
CDLEVENINGSTAR Evening star: a tall white candle, a short one above it, and a black one that closes deep in the first
    penetration 0.3
    -100 +.- body2>long2 body1<=short1 bottom1>top2 body0>short0 c0<c2-part2
CDLGAPSIDESIDEWHITE Side-by-side white lines: beyond a gap, two white candles of one size and one open
    +100 .++ bottom1>top2 bottom0>top2 body1-near1<=body0<=body1+near1 o1-equal1<=o0<=o1+equal1
    -100 .++ top1<bottom2 top0<bottom2 body1-near1<=body0<=body1+near1 o1-equal1<=o0<=o1+equal1
CDLGRAVESTONEDOJI Gravestone doji: a doji at the low of its bar
    +100 . body0<=doji0 lower0<tiny0 upper0>tiny0
CDLHAMMER Hammer: a short body at the top of a long lower shadow, near the low of the bar before
    +100 .. body0<short0 lower0>shadow0 upper0<tiny0 bottom0<=l1+near1
CDLHANGINGMAN Hanging man: a short body at the top of a long lower shadow, near the high of the bar before
    -100 .. body0<short0 lower0>shadow0 upper0<tiny0 bottom0>=h1-near1
CDLHARAMI Harami: a short body within the tall one before; 80 where one end is shared
    ±80 -. body1>long1 body0<=short0 top0<=top1 bottom0>=bottom1
    ±100 -. body1>long1 body0<=short0 top0<top1 bottom0>bottom1
CDLHARAMICROSS Harami cross: a doji within the tall body before; 80 where one end is shared
    ±80 -. body1>long1 body0<=doji0 top0<=top1 bottom0>=bottom1
    ±100 -. body1>long1 body0<=doji0 top0<top1 bottom0>bottom1
CDLHIGHWAVE High wave: a short body between two very long shadows
    ±100 + body0<short0 upper0>tall0 lower0>tall0
CDLHIKKAKE Hikkake: a break out of an inside bar; 200 when a close within three bars proves it false
    confirmed
    ±100 ... h1<h2 l1>l2 h0<h1 l0<l1
CDLHIKKAKEMOD Modified hikkake: a break out of two inside bars, the second closing near its end; 200 when proved false
    later -1
    confirmed
    ±100 .... h2<h3 l2>l3 h1<h2 l1>l2 h0<h1 l0<l1 c2<=l2+near2
CDLHOMINGPIGEON Homing pigeon: a short black body within the tall black one before
    +100 -- body1>long1 body0<=short0 o0<o1 c0>c1
CDLIDENTICAL3CROWS Identical three crows: three black candles, each opening where the one before closed
    -100 --- lower2<tiny2 lower1<tiny1 lower0<tiny0 c2>c1>c0 c2-equal2<=o1<=c2+equal2 c1-equal1<=o0<=c1+equal1
CDLINNECK In-neck: after a tall black candle, a white one from below its low that closes just inside it
    -100 -+ body1>long1 o0<l1 c1<=c0<=c1+equal1
CDLINVERTEDHAMMER Inverted hammer: below a gap, a short body under a long upper shadow
    +100 .. body0<short0 upper0>shadow0 lower0<tiny0 top0<bottom1
CDLKICKING Kicking: two marubozu of opposite colour with a gap between them; the way of the second
    ±100 -+ body1>long1 upper1<tiny1 lower1<tiny1 body0>long0 upper0<tiny0 lower0<tiny0 l0>h1
CDLKICKINGBYLENGTH Kicking by length: two marubozu of opposite colour with a gap between them; the way of the longer
    ±100 -+ body1>long1 upper1<tiny1 lower1<tiny1 body0>long0 upper0<tiny0 lower0<tiny0 l0>h1 body0>body1
    ±-100 -+ body1>long1 upper1<tiny1 lower1<tiny1 body0>long0 upper0<tiny0 lower0<tiny0 l0>h1 body0<=body1
CDLLADDERBOTTOM Ladder bottom: three falling black candles, one with an upper shadow, and a white one above it
    +100 ----+ o4>o3>o2 c4>c3>c2 upper1>tiny1 o0>o1 c0>h1
CDLLONGLEGGEDDOJI Long-legged doji: a doji with a long shadow
    +100 . body0<=doji0 / lower0>shadow0 / upper0>shadow0
CDLLONGLINE Long line: a tall body with short shadows
    ±100 + body0>long0 upper0<brief0 lower0<brief0
CDLMARUBOZU Marubozu: a tall body with almost no shadows
    ±100 + body0>long0 upper0<tiny0 lower0<tiny0
CDLMATCHINGLOW Matching low: two black candles that close at the same price
    +100 -- c1-equal1<=c0<=c1+equal1
CDLMATHOLD Mat hold: a tall white candle, three short ones that hold above its middle, and a white one to a new high
    penetration 0.5
    +100 +-..+ body4>long4 body3<short3 body2<short2 body1<short1 bottom3>top4 c4-part4<bottom2<c4
        c4-part4<bottom1<c4 top2<o3 top1<top2 o0>c1 c0>h3 c0>h2 c0>h1
CDLMORNINGDOJISTAR Morning doji star: a tall black candle, a doji below it, and a white one closing deep in the first
    penetration 0.3
    +100 -.+ body2>long2 body1<=doji1 top1<bottom2 body0>short0 c0>c2+part2
CDLMORNINGSTAR Morning star: a tall black candle, a short one below it, and a white one that closes deep in the first
    penetration 0.3
    +100 -.+ body2>long2 body1<=short1 top1<bottom2 body0>short0 c0>c2+part2
CDLONNECK On-neck: after a tall black candle, a white one from below its low that closes at that low
    -100 -+ body1>long1 o0<l1 l1-equal1<=c0<=l1+equal1
CDLPIERCING Piercing: a tall white candle from below the low of a tall black one that closes past its middle
    share 0.5
    +100 -+ body1>long1 body0>long0 o0<l1 c1+part1<c0<o1
CDLRICKSHAWMAN Rickshaw man: a doji in the middle of two long shadows
    +100 . body0<=doji0 lower0>shadow0 upper0>shadow0 bottom0<=middle0+near0 top0>=middle0-near0
CDLRISEFALL3METHODS Rising and falling three methods: a tall candle, three short ones in its range, and a new extreme
    ±100 +---+ body4>long4 body3<short3 body2<short2 body1<short1 body0>long0 bottom3<h4 top3>l4 bottom2<h4
        top2>l4 bottom1<h4 top1>l4 c1<c2<c3 o0>c1 c0>c4
CDLSEPARATINGLINES Separating lines: a tall candle from its open on, where the one before of the other colour opened
    ±100 -+ o1-equal1<=o0<=o1+equal1 body0>long0 lower0<tiny0
CDLSHOOTINGSTAR Shooting star: above a gap, a short body under a long upper shadow
    -100 .. body0<short0 upper0>shadow0 lower0<tiny0 bottom0>top1
CDLSHORTLINE Short line: a short body with short shadows
    ±100 + body0<short0 upper0<brief0 lower0<brief0
CDLSPINNINGTOP Spinning top: a short body between two longer shadows
    ±100 + body0<short0 upper0>body0 lower0>body0
CDLSTALLEDPATTERN Stalled pattern: two tall white candles, and a short one that rides on the second
    -100 +++ c0>c1>c2 body2>long2 body1>long1 upper1<tiny1 o2<o1<=c2+near2 body0<short0 o0>=c1-body0-near1
CDLSTICKSANDWICH Stick sandwich: two black candles that close at the same price, and a white one above between them
    +100 -+- l1>c2 c2-equal2<=c0<=c2+equal2
CDLTAKURI Takuri: a dragonfly doji with a very long lower shadow
    +100 . body0<=doji0 upper0<tiny0 lower0>tall0
CDLTASUKIGAP Tasuki gap: two candles beyond a gap, the second of the other colour, of one size, and not closing the gap
    ±100 .+- bottom1>top2 o1<o0<c1 top2<c0<o1 near1>body1-body0 near1>body0-body1
CDLTHRUSTING Thrusting: after a tall black candle, a white one from below its low that closes short of its middle
    share 0.5
    -100 -+ body1>long1 o0<l1 c1+equal1<c0<=c1+part1
CDLTRISTAR Tristar: three doji, the middle one beyond a gap
    ±100 ... body2<=doji2 body1<=doji2 body0<=doji2 top1<bottom2 bottom0>bottom1
CDLUNIQUE3RIVER Unique three river: a tall black candle, a black one to a new low, and a short white one above that low
    +100 --+ body2>long2 c1>c2 o1<=o2 l1<l2 body0<short0 o0>l1
CDLUPSIDEGAP2CROWS Upside gap two crows: over a tall white candle, two black ones, the second of which engulfs the first
    -100 +-- body2>long2 body1<=short1 bottom1>top2 o0>o1 c2<c0<c1
CDLXSIDEGAP3METHODS Gap three methods: two candles of one colour with a gap between, and a third that closes the gap
    ±100 ++- bottom1<o0<top1 bottom2<c0<top2 bottom1>top2
"""
