// SPDX-License-Identifier: Apache-2.0
#include "scenes/support/detector.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "scenes/support/outline.hpp"
#include "transfusion/core/error.hpp"

namespace scenes {

namespace {

constexpr double stands_out = 0.42;         // colour distance to the ground from which a pixel is of an object
constexpr double speck = 1.0 / 250.0;       // of the picture's pixels
constexpr double least_share = 0.2;         // of a piece's pixels, for a colour to be one of several in it
constexpr double most_foreign = 2 * speck;  // of the picture's pixels, in a piece of one colour
constexpr index_t reach = 2;                // pixels round a piece that are compared as well
constexpr double most_blur = 1.5;           // pixels; more would take what is pale for what is blurred
constexpr index_t nobody = -1;
constexpr double least_shape_match = 0.85, least_colour_match = 0.5;

rgb minus(const rgb& a, const rgb& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
double dot(const rgb& a, const rgb& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/// A pixel of the picture: column x, row y.
struct place {
  index_t x = 0;
  index_t y = 0;
};
using piece = std::vector<place>;

/// A value a pixel.
template <class Value>
class raster {
 public:
  raster(index_t height, index_t width, Value value)
      : height_(height), width_(width), values_(static_cast<std::size_t>(height * width), value) {}

  index_t height() const { return height_; }
  index_t width() const { return width_; }
  bool holds(place p) const { return p.x >= 0 && p.y >= 0 && p.x < width_ && p.y < height_; }
  Value& operator[](place p) { return values_[static_cast<std::size_t>(p.y * width_ + p.x)]; }
  const Value& operator[](place p) const { return values_[static_cast<std::size_t>(p.y * width_ + p.x)]; }
  /// The pixel, or the nearest one of the picture.
  const Value& near(place p) const {
    return (*this)[{std::clamp<index_t>(p.x, 0, width_ - 1), std::clamp<index_t>(p.y, 0, height_ - 1)}];
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (index_t y = 0; y < height_; ++y)
      for (index_t x = 0; x < width_; ++x) visit(place{x, y});
  }

 private:
  index_t height_, width_;
  std::vector<Value> values_;
};
using colours_of = raster<rgb>;

template <class Visit>
void for_neighbours(place p, Visit visit) {
  for (index_t dy = -1; dy <= 1; ++dy)
    for (index_t dx = -1; dx <= 1; ++dx)
      if (dx != 0 || dy != 0) visit(place{p.x + dx, p.y + dy});
}

colours_of pixels(const tf::image& picture) {
  const index_t channels = picture.shape.channels, height = picture.shape.height, width = picture.shape.width;
  tf::require<tf::shape_error>(channels == 3 && picture.shape.depth == 1 && height >= 16 && width == height,
                               "detector: picture: found [", channels, ", ", height, ", ", width,
                               "], expected [3, side, side] with sides of 16 or more");
  tf::require_extent("detector: values", std::ssize(picture.values), picture.shape.size());
  tf::require<tf::numeric_error>(std::ranges::all_of(picture.values, [](float v) { return std::isfinite(v); }),
                                 "detector: picture: found a value that is not finite");
  colours_of all(height, width, rgb{});
  all.for_each([&](place p) {
    for (index_t c = 0; c < 3; ++c)
      all[p][static_cast<std::size_t>(c)] = picture.values[static_cast<std::size_t>((c * height + p.y) * width + p.x)];
  });
  return all;
}

/// Each pixel mixed with its neighbours by 1, 2, 1 both ways: noise falls to three eighths.
colours_of smoothed(const colours_of& from) {
  colours_of to(from.height(), from.width(), rgb{});
  to.for_each([&](place p) {
    for (index_t dy = -1; dy <= 1; ++dy)
      for (index_t dx = -1; dx <= 1; ++dx) {
        const double weight =
            (2.0 - std::abs(static_cast<double>(dx))) * (2.0 - std::abs(static_cast<double>(dy))) / 16;
        const rgb& value = from.near({p.x + dx, p.y + dy});
        for (std::size_t c = 0; c < 3; ++c) to[p][c] += weight * value[c];
      }
  });
  return to;
}

/// The median of the picture's edge.
rgb ground_of(const colours_of& all) {
  rgb ground{};
  for (std::size_t c = 0; c < 3; ++c) {
    std::vector<double> edge;
    all.for_each([&](place p) {
      if (p.x == 0 || p.y == 0 || p.x == all.width() - 1 || p.y == all.height() - 1) edge.push_back(all[p][c]);
    });
    const auto middle = edge.begin() + std::ssize(edge) / 2;
    std::nth_element(edge.begin(), middle, edge.end());
    ground[c] = *middle;
  }
  return ground;
}

/// How opaque a colour lies on the ground to give `value`: 0 is the ground, 1 the colour.
double opacity(const rgb& value, const rgb& ground, colour c) {
  const rgb way = minus(paint(c), ground);
  return dot(minus(value, ground), way) / dot(way, way);
}

/// What no mixture of ground and colour explains, squared.
double unexplained(const rgb& value, const rgb& ground, colour c) {
  const rgb way = minus(paint(c), ground), seen = minus(value, ground);
  const double a = std::clamp(dot(seen, way) / dot(way, way), 0.0, 1.0);
  const rgb rest = {seen[0] - a * way[0], seen[1] - a * way[1], seen[2] - a * way[2]};
  return dot(rest, rest);
}

constexpr std::array<colour, colour_count> every_colour = [] {
  std::array<colour, colour_count> all{};
  for (index_t i = 0; i < colour_count; ++i) all[static_cast<std::size_t>(i)] = colour_at(i);
  return all;
}();

/// Which of some colours explains some pixels best.
colour colour_of(const piece& some, const colours_of& all, const rgb& ground,
                 std::span<const colour> choice = every_colour) {
  const auto rest = [&](colour c) {
    double sum = 0;
    for (const place p : some) sum += unexplained(all[p], ground, c);
    return sum;
  };
  return std::ranges::min(choice, {}, rest);
}

/// The pieces of those pixels whose value is not `nobody`, in which neighbours have the same value.
std::vector<piece> pieces_of(const raster<index_t>& values) {
  std::vector<piece> all;
  raster<char> seen(values.height(), values.width(), 0);
  values.for_each([&](place start) {
    if (values[start] == nobody || seen[start]) return;
    piece found{start};
    seen[start] = 1;
    for (std::size_t i = 0; i < found.size(); ++i)
      for_neighbours(found[i], [&](place next) {
        if (!values.holds(next) || seen[next] || values[next] != values[start]) return;
        seen[next] = 1;
        found.push_back(next);
      });
    all.push_back(std::move(found));
  });
  return all;
}

/// A piece cut where two colours meet. A colour with a small share is but a mixture of those that meet.
std::vector<piece> one_coloured(const piece& whole, const colours_of& all, const rgb& ground) {
  std::array<std::size_t, colour_count> counts{};
  for (const place p : whole) ++counts[static_cast<std::size_t>(colour_of({p}, all, ground))];
  std::vector<colour> meeting;
  for (const colour c : every_colour)
    if (static_cast<double>(counts[static_cast<std::size_t>(c)]) >= least_share * static_cast<double>(whole.size()))
      meeting.push_back(c);
  if (meeting.size() < 2) return {whole};
  raster<index_t> colours(all.height(), all.width(), nobody);
  for (const place p : whole) colours[p] = static_cast<index_t>(colour_of({p}, all, ground, meeting));
  return pieces_of(colours);
}

/// Whose each pixel is: of the piece from which it is at most `reach` away, the first of several.
raster<index_t> owners(const std::vector<piece>& pieces, index_t height, index_t width) {
  raster<index_t> owner(height, width, nobody);
  std::vector<place> edge;
  for (index_t i = 0; i < std::ssize(pieces); ++i)
    for (const place p : pieces[static_cast<std::size_t>(i)]) {
      owner[p] = i;
      edge.push_back(p);
    }
  for (index_t step = 0; step < reach; ++step) {
    std::vector<place> next_edge;
    for (const place p : edge)
      for_neighbours(p, [&](place next) {
        if (!owner.holds(next) || owner[next] != nobody) return;
        owner[next] = owner[p];
        next_edge.push_back(next);
      });
    edge = std::move(next_edge);
  }
  return owner;
}

/// What is seen of one object: the square of pixels round it, how opaque it is in each, and which of them are its own.
struct view {
  place corner;  ///< of the picture: the window's first pixel
  raster<double> opacity;
  raster<char> own;

  template <class Visit>
  void for_own(Visit visit) const {
    own.for_each([&](place p) {
      if (own[p]) visit(p);
    });
  }
};

/// Area and middle of a shape of radius 1.
struct moments {
  double area = 0, x = 0, y = 0;
};

moments unit_moments(shape s) {
  constexpr int cells = 200;
  moments m;
  for (int i = 0; i < cells * cells; ++i) {
    const double x = (i % cells + 0.5) * 2 / cells - 1, y = (i / cells + 0.5) * 2 / cells - 1;
    if (outline_distance(s, x, y) > 0) continue;
    m.area += 1;
    m.x += x;
    m.y += y;
  }
  return {m.area * 4 / (cells * cells), m.x / m.area, m.y / m.area};
}

const moments& moments_of(shape s) {
  static const auto all = [] {
    std::array<moments, shape_count> of;
    for (index_t i = 0; i < shape_count; ++i) of[static_cast<std::size_t>(i)] = unit_moments(shape_at(i));
    return of;
  }();
  return all[static_cast<std::size_t>(s)];
}

/// A shape in a window, in pixels, blurred by a Gaussian of deviation `blur`.
struct template_shape {
  shape kind = shape::circle;
  double x = 0, y = 0, radius = 1, blur = 0;

  /// How opaque it is in each pixel.
  raster<double> drawn(index_t height, index_t width) const {
    raster<double> sharp(height, width, 0.0);
    sharp.for_each([&](place p) {
      const double dx = static_cast<double>(p.x) + 0.5 - x, dy = static_cast<double>(p.y) + 0.5 - y;
      sharp[p] = std::clamp(0.5 - outline_distance(kind, dx / radius, dy / radius) * radius, 0.0, 1.0);
    });
    return blur > 0 ? blurred(blurred(sharp, {1, 0}), {0, 1}) : sharp;
  }
  /// What is left over, squared, when it is laid on as opaque as explains most.
  double error(const view& v) const {
    const auto opacity = drawn(v.own.height(), v.own.width());
    double seen = 0, both = 0, own = 1e-9;
    v.for_own([&](place p) {
      seen += v.opacity[p] * v.opacity[p];
      both += v.opacity[p] * opacity[p];
      own += opacity[p] * opacity[p];
    });
    return seen - both * both / own;
  }

 private:
  /// Blurred along one direction.
  raster<double> blurred(const raster<double>& from, place along) const {
    constexpr index_t taps = 3;  // to either side
    std::array<double, taps + 1> weights{};
    double sum = 0;
    for (index_t i = -taps; i <= taps; ++i)
      sum += weights[static_cast<std::size_t>(std::abs(i))] = std::exp(-static_cast<double>(i * i) / (2 * blur * blur));
    raster<double> to(from.height(), from.width(), 0.0);
    to.for_each([&](place p) {
      for (index_t i = -taps; i <= taps; ++i)
        to[p] +=
            weights[static_cast<std::size_t>(std::abs(i))] / sum * from.near({p.x + i * along.x, p.y + i * along.y});
    });
    return to;
  }
};

/// Sums of what is seen: of opacity, of its square, and of its place.
struct sums {
  double area = 0, square = 0, x = 0, y = 0;
};

sums sums_of(const view& v) {
  sums s;
  v.for_own([&](place p) {
    s.area += v.opacity[p];
    s.square += v.opacity[p] * v.opacity[p];
    s.x += v.opacity[p] * (static_cast<double>(p.x) + 0.5);
    s.y += v.opacity[p] * (static_cast<double>(p.y) + 0.5);
  });
  s.area = std::max(s.area, 1.0);
  return s;
}

/// The shape with the area and the middle of what is seen, if its inside is so opaque.
template_shape from_sums(shape kind, const sums& s, double inside, double blur) {
  const moments& unit = moments_of(kind);
  const double radius = std::sqrt(s.area / (inside * unit.area));
  return {kind, s.x / s.area - radius * unit.x, s.y / s.area - radius * unit.y, radius, blur};
}

struct fit {
  template_shape shape;
  double error;
  bool operator<(const fit& other) const { return error < other.error; }
};

/// Moves, resizes and blurs a template by ever smaller steps as long as that lessens its error.
void refine(fit& f, const view& v) {
  constexpr double template_shape::*parts[] = {&template_shape::x, &template_shape::y, &template_shape::radius,
                                               &template_shape::blur};
  for (double step = 0.4; step > 0.09; step /= 2)
    for (const auto part : parts)
      for (const double sign : {-1.0, 1.0}) {
        template_shape moved = f.shape;
        moved.*part += sign * step;
        if (moved.radius < 1 || moved.blur < 0 || moved.blur > most_blur) continue;
        if (const double error = moved.error(v); error < f.error) f = {moved, error};
      }
}

/// A shape at first look: sharp, blurred or pale, as is best. What is seen of a sharp one is on the average as opaque
/// as its inside, of a blurred one less.
fit first_look(shape kind, const view& v, const sums& s) {
  fit best{{}, std::numeric_limits<double>::infinity()};
  const double mean = std::clamp(s.square / s.area, 0.1, 1.0);
  for (const template_shape& t : {from_sums(kind, s, 1, 0), from_sums(kind, s, 1, 1), from_sums(kind, s, mean, 0)})
    best = std::min(best, fit{t, t.error(v)});
  return best;
}

/// The shape that explains best what is seen. The second best of the first look has a chance if it is not far behind.
template_shape fitted(const view& v) {
  std::vector<fit> fits;
  const sums s = sums_of(v);
  for (index_t i = 0; i < shape_count; ++i) fits.push_back(first_look(shape_at(i), v, s));
  std::ranges::partial_sort(fits, fits.begin() + 2, std::less{});
  refine(fits[0], v);
  if (fits[1].error < 4 * fits[0].error) refine(fits[1], v);
  return std::min(fits[0], fits[1]).shape;
}

double correlation(const template_shape& t, const view& v) {
  const auto opacity = t.drawn(v.own.height(), v.own.width());
  double n = 0, sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
  v.for_own([&](place p) {
    const double x = opacity[p], y = v.opacity[p];
    n += 1;
    sx += x;
    sy += y;
    xx += x * x;
    yy += y * y;
    xy += x * y;
  });
  const double spread = (xx - sx * sx / n) * (yy - sy * sy / n);
  return spread > 0 ? std::max(0.0, (xy - sx * sy / n) / std::sqrt(spread)) : 0.0;
}

/// How near an object's own colour, that which its template is best filled with, is to one of ours.
double colour_match(colour c, const template_shape& t, const view& v, const colours_of& all, const rgb& ground) {
  const auto opacity = t.drawn(v.own.height(), v.own.width());
  rgb own{};
  double weights = 1e-9;
  v.for_own([&](place p) {
    const rgb seen = minus(all[{p.x + v.corner.x, p.y + v.corner.y}], ground);
    weights += opacity[p] * opacity[p];
    for (std::size_t i = 0; i < 3; ++i) own[i] += opacity[p] * seen[i];
  });
  for (std::size_t i = 0; i < 3; ++i) own[i] = ground[i] + own[i] / weights;
  double next = distance(paint(c), ground);
  for (index_t i = 0; i < colour_count; ++i)
    if (colour_at(i) != c) next = std::min(next, distance(paint(c), paint(colour_at(i))));
  return std::clamp(1 - distance(own, paint(c)) / next, 0.0, 1.0);
}

view view_of(const piece& some, index_t number, const raster<index_t>& owner, const colours_of& all, const rgb& ground,
             colour c) {
  const auto [left, right] = std::ranges::minmax(some, {}, &place::x);
  const auto [top, bottom] = std::ranges::minmax(some, {}, &place::y);
  const place first{std::max<index_t>(0, left.x - reach), std::max<index_t>(0, top.y - reach)};
  const place last{std::min(all.width() - 1, right.x + reach), std::min(all.height() - 1, bottom.y + reach)};
  const index_t height = last.y - first.y + 1, width = last.x - first.x + 1;
  view v{first, {height, width, 0.0}, {height, width, 0}};
  v.own.for_each([&](place p) {
    const place there{p.x + first.x, p.y + first.y};
    v.own[p] = owner[there] == number;
    v.opacity[p] = opacity(all[there], ground, c);
  });
  return v;
}

/// How much of a piece is of another colour, in shares of the picture.
double foreign_share(const piece& some, const colours_of& smooth, const rgb& ground, colour c) {
  const auto foreign =
      std::ranges::count_if(some, [&](place p) { return unexplained(smooth[p], ground, c) > stands_out * stands_out; });
  return static_cast<double>(foreign) / static_cast<double>(smooth.height() * smooth.width());
}

sighting sighting_of(const piece& some, index_t number, const raster<index_t>& owner, const colours_of& all,
                     const colours_of& smooth, const rgb& ground) {
  const colour c = colour_of(some, all, ground);
  const view v = view_of(some, number, owner, all, ground, c);
  const template_shape t = fitted(v);
  const auto width = static_cast<double>(all.width()), height = static_cast<double>(all.height());
  return {{t.kind, c, (t.x + static_cast<double>(v.corner.x)) / width, (t.y + static_cast<double>(v.corner.y)) / height,
           t.radius / width},
          correlation(t, v),
          foreign_share(some, smooth, ground, c) > most_foreign ? 0 : colour_match(c, t, v, all, ground)};
}

std::vector<sighting> objects_on(const rgb& ground, const colours_of& all) {
  const colours_of smooth = smoothed(all);
  raster<index_t> standing_out(all.height(), all.width(), nobody);
  standing_out.for_each([&](place p) {
    if (distance(smooth[p], ground) > stands_out) standing_out[p] = 0;
  });
  std::vector<piece> pieces;
  for (const piece& whole : pieces_of(standing_out))
    for (piece& part : one_coloured(whole, smooth, ground))
      if (static_cast<double>(part.size()) > speck * static_cast<double>(all.height() * all.width()))
        pieces.push_back(std::move(part));
  const auto owner = owners(pieces, all.height(), all.width());
  std::vector<sighting> found;
  for (index_t i = 0; i < std::ssize(pieces); ++i)
    found.push_back(sighting_of(pieces[static_cast<std::size_t>(i)], i, owner, all, smooth, ground));
  return found;
}

}  // namespace

bool sighting::certain() const { return shape_match >= least_shape_match && colour_match >= least_colour_match; }

std::vector<sighting> find_objects(const tf::image& picture) {
  const colours_of all = pixels(picture);
  return objects_on(ground_of(all), all);
}

std::optional<scene> read_scene(const tf::image& picture) {
  const colours_of all = pixels(picture);
  scene s{{}, ground_of(all)};
  for (const sighting& found : objects_on(s.ground, all)) {
    if (!found.certain()) return std::nullopt;
    s.objects.push_back(found.what);
  }
  return s;
}

}  // namespace scenes
