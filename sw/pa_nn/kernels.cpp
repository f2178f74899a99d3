// Passes over activations, see kernels.py.  Results do not depend on the number of threads.

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace {

constexpr std::int64_t kBlock = 4096;
constexpr int kLanes = 16;

struct Float32 {
    using Stored = float;
    static float load(Stored x) { return x; }
    static Stored store(float x) { return x; }
};

// bfloat16 in its 16 bits: exact to float32, and back to the nearest, ties to even.
struct BFloat16 {
    using Stored = std::uint16_t;
    static float load(Stored x) {
        const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    static Stored store(float x) {
        std::uint32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
        return static_cast<Stored>(nan ? 0x7fc0u : rounded);
    }
};

template <typename Type>
void look_up(const typename Type::Stored* x, std::int64_t size, const float* ends,
             const typename Type::Stored* levels, std::int64_t count, typename Type::Stored* out,
             std::uint8_t* intervals, int threads) {
    const std::int64_t blocks = (size + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) num_threads(threads) if (blocks > 8)
    for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t start = block * kBlock;
        const int length = static_cast<int>(std::min(kBlock, size - start));
        float value[kBlock], result[kBlock];
        std::int32_t index[kBlock];
        for (int e = 0; e < length; ++e) {
            value[e] = Type::load(x[start + e]);
            index[e] = 0;
            result[e] = Type::load(levels[0]);
        }
        for (int k = 1; k < count; ++k) {
            const float end = ends[k - 1];
            const float level = Type::load(levels[k]);
            for (int e = 0; e < length; ++e) {
                const bool reached = value[e] >= end;
                index[e] = reached ? k : index[e];
                result[e] = reached ? level : result[e];
            }
        }
        for (int e = 0; e < length; ++e) {
            const float nan_or_level = value[e] == value[e] ? result[e] : value[e];
            out[start + e] = Type::store(nan_or_level);
            intervals[start + e] = static_cast<std::uint8_t>(value[e] == 0 ? 0 : index[e]);
        }
    }
}

// Vectors of GCC and Clang, mapped to whatever registers the processor has.
using Bytes = std::uint8_t __attribute__((vector_size(kLanes)));
using Words = std::int32_t __attribute__((vector_size(4 * kLanes)));
using Floats = float __attribute__((vector_size(4 * kLanes)));

// Sums of kGroup intervals over a block, element e in float32 lane e % kLanes, lanes added in
// ascending order in float64.  Adding the zero of an element of another interval changes no lane.
constexpr int kGroup = 6;

void sum_intervals(const float* grad, const std::uint8_t* intervals, int first, int count,
                   double* sums) {
    Floats lanes[kGroup] = {};
    for (int e = 0; e < kBlock; e += kLanes) {
        Bytes bytes;
        Words bits;
        std::memcpy(&bytes, intervals + e, sizeof bytes);
        std::memcpy(&bits, grad + e, sizeof bits);
        const Words index = __builtin_convertvector(bytes, Words);
        for (int k = 0; k < kGroup; ++k) {
            lanes[k] += reinterpret_cast<Floats>((index == first + k) & bits);
        }
    }
    for (int k = 0; k < kGroup && first + k < count; ++k) {
        double total = lanes[k][0];
        for (int lane = 1; lane < kLanes; ++lane) total += static_cast<double>(lanes[k][lane]);
        sums[first + k] = total;
    }
}

template <typename Type>
void back_propagate(const typename Type::Stored* grad, const std::uint8_t* intervals,
                    std::int64_t size, const float* slopes, std::int64_t count,
                    typename Type::Stored* out, double* partial, int threads) {
    const std::int64_t blocks = (size + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) num_threads(threads) if (blocks > 8)
    for (std::int64_t block = 0; block < blocks; ++block) {
        const std::int64_t start = block * kBlock;
        const int length = static_cast<int>(std::min(kBlock, size - start));
        // Copies padded with zeros to whole vectors.
        float value[kBlock];
        std::uint8_t index[kBlock];
        for (int e = 0; e < length; ++e) {
            value[e] = Type::load(grad[start + e]);
            index[e] = intervals[start + e];
            out[start + e] = Type::store(value[e] * slopes[index[e]]);
        }
        std::fill(value + length, value + kBlock, 0.0f);
        std::fill(index + length, index + kBlock, std::uint8_t{0});
        for (int first = 0; first < count; first += kGroup) {
            sum_intervals(value, index, first, static_cast<int>(count), partial + block * count);
        }
    }
}

}  // namespace

#define PA_EXPORT(SUFFIX, TYPE)                                                                   \
    extern "C" void pa_look_up_##SUFFIX(const void* x, std::int64_t size, const void* ends,       \
                                        const void* levels, std::int64_t count, void* out,        \
                                        void* intervals, std::int64_t threads) {                  \
        using Stored = TYPE::Stored;                                                              \
        look_up<TYPE>(static_cast<const Stored*>(x), size, static_cast<const float*>(ends),       \
                      static_cast<const Stored*>(levels), count, static_cast<Stored*>(out),       \
                      static_cast<std::uint8_t*>(intervals), static_cast<int>(threads));          \
    }                                                                                             \
    extern "C" void pa_back_propagate_##SUFFIX(const void* grad, const void* intervals,           \
                                               std::int64_t size, const void* slopes,             \
                                               std::int64_t count, void* out, void* partial,      \
                                               std::int64_t threads) {                            \
        using Stored = TYPE::Stored;                                                              \
        back_propagate<TYPE>(static_cast<const Stored*>(grad),                                    \
                             static_cast<const std::uint8_t*>(intervals), size,                   \
                             static_cast<const float*>(slopes), count,                            \
                             static_cast<Stored*>(out), static_cast<double*>(partial),            \
                             static_cast<int>(threads));                                          \
    }

PA_EXPORT(f32, Float32)
PA_EXPORT(bf16, BFloat16)
