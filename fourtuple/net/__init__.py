"""Words and bytes: endpoints, NAT behaviours, rules, events. Pure, standard library only; used on both sides."""
