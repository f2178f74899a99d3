// Passes over activations and weights, see kernels.py.  Results do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

constexpr std::int64_t kBlock = 4096;
constexpr int kLanes = 16;

// Vectors of GCC and Clang, mapped to whatever registers the processor has.
using Bytes = std::uint8_t __attribute__((vector_size(kLanes)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));
using Words = std::int32_t __attribute__((vector_size(4 * kLanes)));
using Unsigned = std::uint32_t __attribute__((vector_size(4 * kLanes)));
using Floats = float __attribute__((vector_size(4 * kLanes)));

template <typename Vector>
Vector load(const void* source) {
    Vector vector;
    std::memcpy(&vector, source, sizeof vector);
    return vector;
}

template <typename Vector>
void store(void* target, Vector vector) {
    std::memcpy(target, &vector, sizeof vector);
}

struct Float32 {
    using Stored = float;
    static Floats read(const Stored* x) { return load<Floats>(x); }
    static void write(Stored* x, Floats value) { store(x, value); }
};

// bfloat16 in its 16 bits: exact to float32, and back to the nearest, ties to even.
struct BFloat16 {
    using Stored = std::uint16_t;
    static Floats read(const Stored* x) {
        const Unsigned bits = __builtin_convertvector(load<Halves>(x), Unsigned) << 16;
        return reinterpret_cast<Floats>(bits);
    }
    static void write(Stored* x, Floats value) {
        const Unsigned bits = reinterpret_cast<Unsigned>(value);
        const Unsigned rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        const Words nan = value != value;
        const Unsigned quiet = rounded * 0u + 0x7fc0u;
        store(x, __builtin_convertvector(nan ? quiet : rounded, Halves));
    }
};

// A table of at most kLanes floats fits one register.
template <bool kSmall>
Floats pick(const float* table, Words index) {
#if !defined(__clang__)
    if constexpr (kSmall) return __builtin_shuffle(load<Floats>(table), index);
#endif
    Floats picked;
    for (int lane = 0; lane < kLanes; ++lane) picked[lane] = table[index[lane]];
    return picked;
}

template <typename Type, bool kSmall>
void look_up_vector(const typename Type::Stored* x, const float* ends, const float* levels,
                    int count, typename Type::Stored* out, std::uint8_t* intervals) {
    const Floats value = Type::read(x);
    Words index = {};
    for (int k = 0; k < count - 1; ++k) index -= value >= ends[k];
    index &= value != 0.0f;
    const Floats level = pick<kSmall>(levels, index);
    Type::write(out, value == value ? level : value);
    store(intervals, __builtin_convertvector(index, Bytes));
}

template <typename Type, bool kSmall>
void look_up(const typename Type::Stored* x, std::int64_t size, const float* ends,
             const float* levels, int count, typename Type::Stored* out, std::uint8_t* intervals,
             int threads) {
    using Stored = typename Type::Stored;
    const std::int64_t whole = size / kLanes * kLanes;
#pragma omp parallel for schedule(static) num_threads(threads) if (size > 8 * kBlock)
    for (std::int64_t e = 0; e < whole; e += kLanes) {
        look_up_vector<Type, kSmall>(x + e, ends, levels, count, out + e, intervals + e);
    }
    if (whole < size) {
        Stored x_tail[kLanes] = {}, out_tail[kLanes];
        std::uint8_t intervals_tail[kLanes];
        std::copy(x + whole, x + size, x_tail);
        look_up_vector<Type, kSmall>(x_tail, ends, levels, count, out_tail, intervals_tail);
        std::copy(out_tail, out_tail + (size - whole), out + whole);
        std::copy(intervals_tail, intervals_tail + (size - whole), intervals + whole);
    }
}

// Sums of kGroup intervals over a block, element e in float32 lane e % kLanes, lanes added in
// ascending order in float64.  Adding the zero of an element of another interval changes no lane.
constexpr int kGroup = 12;

template <typename Type>
void sum_intervals(const typename Type::Stored* grad, const std::uint8_t* intervals, int length,
                   int first, int count, double* sums) {
    Floats lanes[kGroup] = {};
    const auto add = [&](const typename Type::Stored* grads, const std::uint8_t* indices) {
        const Words bits = reinterpret_cast<Words>(Type::read(grads));
        const Words index = __builtin_convertvector(load<Bytes>(indices), Words) - first;
        for (int k = 0; k < kGroup; ++k) lanes[k] += reinterpret_cast<Floats>((index == k) & bits);
    };
    const int whole = length / kLanes * kLanes;
    for (int e = 0; e < whole; e += kLanes) add(grad + e, intervals + e);
    if (whole < length) {
        typename Type::Stored grad_tail[kLanes] = {};
        std::uint8_t intervals_tail[kLanes] = {};
        std::copy(grad + whole, grad + length, grad_tail);
        std::copy(intervals + whole, intervals + length, intervals_tail);
        add(grad_tail, intervals_tail);
    }
    for (int k = 0; k < kGroup && first + k < count; ++k) {
        double total = lanes[k][0];
        for (int lane = 1; lane < kLanes; ++lane) total += static_cast<double>(lanes[k][lane]);
        sums[first + k] = total;
    }
}

template <typename Type, bool kSmall>
void scale_block(const typename Type::Stored* grad, const std::uint8_t* intervals, int length,
                 const float* slopes, typename Type::Stored* out) {
    const auto scale = [&](const typename Type::Stored* grads, const std::uint8_t* indices,
                           typename Type::Stored* result) {
        const Words index = __builtin_convertvector(load<Bytes>(indices), Words);
        Type::write(result, Type::read(grads) * pick<kSmall>(slopes, index));
    };
    const int whole = length / kLanes * kLanes;
    for (int e = 0; e < whole; e += kLanes) scale(grad + e, intervals + e, out + e);
    if (whole < length) {
        typename Type::Stored grad_tail[kLanes] = {}, out_tail[kLanes];
        std::uint8_t intervals_tail[kLanes] = {};
        std::copy(grad + whole, grad + length, grad_tail);
        std::copy(intervals + whole, intervals + length, intervals_tail);
        scale(grad_tail, intervals_tail, out_tail);
        std::copy(out_tail, out_tail + (length - whole), out + whole);
    }
}

template <typename Type, bool kSmall>
void back_propagate(const typename Type::Stored* grad, const std::uint8_t* intervals,
                    std::int64_t size, const float* slopes, int count,
                    typename Type::Stored* out, double* partial, int threads) {
    const std::int64_t blocks = (size + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) num_threads(threads) if (blocks > 8)
    for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t start = block * kBlock;
        const int length = static_cast<int>(std::min(kBlock, size - start));
        scale_block<Type, kSmall>(grad + start, intervals + start, length, slopes, out + start);
        for (int first = 0; first < count; first += kGroup) {
            sum_intervals<Type>(grad + start, intervals + start, length, first, count,
                                partial + block * count);
        }
    }
}

}  // namespace

// Sum of values, and of squares of what is above or below `mean`, in the order of the elements.
extern "C" double pa_sum(const float* values, std::int64_t size) {
    double total = 0;
    for (std::int64_t e = 0; e < size; ++e) total += values[e];
    return total;
}

extern "C" double pa_sum_of_squares(const float* values, std::int64_t size, double mean) {
    double total = 0;
    for (std::int64_t e = 0; e < size; ++e) {
        const double distance = values[e] - mean;
        total += distance * distance;
    }
    return total;
}

// Interval of each value between ascending ends, and the sum of each interval in the order of the
// elements.
extern "C" void pa_split(const float* values, std::int64_t size, const double* ends, int count,
                         std::int16_t* intervals, double* sums) {
    std::fill(sums, sums + count, 0.0);
    for (std::int64_t start = 0; start < size; start += kBlock) {
        const std::int64_t stop = std::min(start + kBlock, size);
        for (std::int64_t e = start; e < stop; ++e) intervals[e] = 0;
        for (int k = 0; k < count - 1; ++k) {
            for (std::int64_t e = start; e < stop; ++e) intervals[e] += values[e] >= ends[k];
        }
        for (std::int64_t e = start; e < stop; ++e) sums[intervals[e]] += values[e];
    }
}

// `levels` and `slopes` have at least kLanes elements.
#define PA_EXPORT(SUFFIX, TYPE)                                                                 \
    extern "C" void pa_look_up_##SUFFIX(const TYPE::Stored* x, std::int64_t size,               \
                                        const float* ends, const float* levels, int count,      \
                                        TYPE::Stored* out, std::uint8_t* intervals,             \
                                        int threads) {                                          \
        const auto run = count <= kLanes ? look_up<TYPE, true> : look_up<TYPE, false>;          \
        run(x, size, ends, levels, count, out, intervals, threads);                             \
    }                                                                                           \
    extern "C" void pa_back_propagate_##SUFFIX(                                                 \
        const TYPE::Stored* grad, const std::uint8_t* intervals, std::int64_t size,             \
        const float* slopes, int count, TYPE::Stored* out, double* partial, int threads) {      \
        const auto run = count <= kLanes ? back_propagate<TYPE, true>                           \
                                         : back_propagate<TYPE, false>;                         \
        run(grad, intervals, size, slopes, count, out, partial, threads);                       \
    }

PA_EXPORT(f32, Float32)
PA_EXPORT(bf16, BFloat16)
