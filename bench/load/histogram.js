// Buckets of at most 1.6 % width: quantiles of millions of values in constant memory.

const SUB_BITS = 6
const SUB = 1 << SUB_BITS

export class Histogram {
  #counts = new Float64Array((33 - SUB_BITS) * SUB)
  #total = 0

  get total () {
    return this.#total
  }

  /** @param milliseconds kept with the precision of microseconds, up to more than an hour */
  add (milliseconds) {
    const value = Math.max(0, Math.min(0xffffffff, Math.round(milliseconds * 1000))) >>> 0
    this.#counts[bucketOf(value)]++
    this.#total++
  }

  /** Milliseconds below which that share of the values lies; null where there are none. */
  quantile (share) {
    if (this.#total === 0) return null
    let wanted = Math.max(1, Math.ceil(share * this.#total))
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      wanted -= this.#counts[bucket]
      if (wanted <= 0) return upperBound(bucket) / 1000
    }
  }
}

function bucketOf (value) {
  const shift = Math.max(0, 32 - Math.clz32(value) - SUB_BITS - 1)
  return shift * SUB + (value >>> shift)
}

function upperBound (bucket) {
  if (bucket < 2 * SUB) return bucket
  const shift = Math.floor(bucket / SUB) - 1
  return (bucket - shift * SUB + 1) * 2 ** shift - 1
}
