"""What a lab is and how it is judged. Pure: no engine, no clock, no network; the same code live and on a recording."""
