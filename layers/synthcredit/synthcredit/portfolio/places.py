"""Where customers live: cities with their state, the beginning of their postal codes, and what is earned there.

Weights follow the population of the states, incomes are household medians of the states relative to the country's (both
US Census, American Community Survey, rounded). Streets and house numbers are made up: no real address is meant.
"""

from __future__ import annotations

PLACES: tuple[tuple[str, str, str, float, float], ...] = (
    ("Los Angeles", "CA", "900", 60, 1.20),
    ("San Diego", "CA", "921", 30, 1.20),
    ("Sacramento", "CA", "958", 28, 1.20),
    ("Houston", "TX", "770", 42, 0.98),
    ("Dallas", "TX", "752", 36, 0.98),
    ("San Antonio", "TX", "782", 20, 0.98),
    ("Miami", "FL", "331", 36, 0.92),
    ("Orlando", "FL", "328", 30, 0.92),
    ("New York", "NY", "100", 42, 1.08),
    ("Buffalo", "NY", "142", 17, 1.08),
    ("Philadelphia", "PA", "191", 24, 0.99),
    ("Pittsburgh", "PA", "152", 15, 0.99),
    ("Chicago", "IL", "606", 38, 1.04),
    ("Columbus", "OH", "432", 20, 0.90),
    ("Cleveland", "OH", "441", 15, 0.90),
    ("Atlanta", "GA", "303", 33, 0.96),
    ("Charlotte", "NC", "282", 32, 0.90),
    ("Detroit", "MI", "482", 30, 0.91),
    ("Newark", "NJ", "071", 28, 1.29),
    ("Richmond", "VA", "232", 26, 1.17),
    ("Seattle", "WA", "981", 23, 1.21),
    ("Phoenix", "AZ", "850", 22, 0.99),
    ("Boston", "MA", "021", 21, 1.28),
    ("Nashville", "TN", "372", 21, 0.86),
    ("Indianapolis", "IN", "462", 21, 0.89),
    ("Baltimore", "MD", "212", 19, 1.30),
    ("Kansas City", "MO", "641", 19, 0.88),
    ("Milwaukee", "WI", "532", 18, 0.97),
    ("Denver", "CO", "802", 18, 1.18),
    ("Minneapolis", "MN", "554", 17, 1.12),
    ("Charleston", "SC", "294", 16, 0.85),
    ("Birmingham", "AL", "352", 15, 0.79),
    ("New Orleans", "LA", "701", 14, 0.76),
    ("Louisville", "KY", "402", 14, 0.80),
    ("Portland", "OR", "972", 13, 1.02),
    ("Oklahoma City", "OK", "731", 12, 0.82),
    ("Hartford", "CT", "061", 11, 1.20),
    ("Salt Lake City", "UT", "841", 10, 1.19),
    ("Des Moines", "IA", "503", 10, 0.94),
    ("Las Vegas", "NV", "891", 10, 0.96),
    ("Little Rock", "AR", "722", 9, 0.75),
    ("Jackson", "MS", "392", 9, 0.70),
    ("Wichita", "KS", "672", 9, 0.93),
    ("Albuquerque", "NM", "871", 6, 0.79),
    ("Omaha", "NE", "681", 6, 0.95),
    ("Boise", "ID", "837", 6, 0.97),
    ("Charleston", "WV", "253", 5, 0.74),
    ("Honolulu", "HI", "968", 4, 1.22),
    ("Manchester", "NH", "031", 4, 1.20),
    ("Portland", "ME", "041", 4, 0.91),
    ("Providence", "RI", "029", 3, 1.08),
    ("Billings", "MT", "591", 3, 0.90),
    ("Wilmington", "DE", "198", 3, 1.06),
    ("Sioux Falls", "SD", "571", 3, 0.93),
    ("Fargo", "ND", "581", 2, 0.98),
    ("Anchorage", "AK", "995", 2, 1.15),
    ("Burlington", "VT", "054", 2, 0.99),
    ("Cheyenne", "WY", "820", 2, 0.96),
)
"""City, state, first three digits of the postal code, weight, and income relative to the country."""
CITIES = tuple(place[0] for place in PLACES)
STATES = tuple(place[1] for place in PLACES)
ZIP_STARTS = tuple(place[2] for place in PLACES)
WEIGHTS = tuple(place[3] for place in PLACES)
INCOMES = tuple(place[4] for place in PLACES)
