// plate.scad: a plate with SIZE feet, knobs and holes, as exact polyhedra: every coordinate is a
// fraction of big numbers, with blocks of its own in malloc.
SIZE = 2;

module part(n) {
  difference() {
    union() {
      sphere(5, $fn = 12 + n % 3);
      translate([-5, -5, -2]) cube([10, 10, 3]);
    }
    translate([0, 0, -9]) cylinder(h = 20, r = 2, $fn = 9 + n % 4);
    rotate([90, 0, 11 * n]) cylinder(h = 20, r = 1, center = true, $fn = 7);
  }
}

union() {
  for (n = [0 : SIZE - 1]) translate([n % 3 * 8, floor(n / 3) * 8, 0]) part(n);
  translate([-5, -5, -3]) cube([26, 26, 1.5]);
}
