import { describe, expect, it } from 'vitest'
import { LineSplitter, LineTooLong } from '../../../../lib/kubernetes/watch/line-splitter.ts'

const text = '{"a":"Füchse 🦊"}\n\n{"b":"水"}\r\n{"c":1}\n'

describe('LineSplitter', () => {
  it.each([1, 2, 3, 5, 7, 1000])('returns whole lines from chunks of %i bytes', size => {
    const splitter = new LineSplitter()
    const bytes = Buffer.from(text)
    const lines: string[] = []
    for (let at = 0; at < bytes.length; at += size)
      lines.push(...splitter.push(bytes.subarray(at, at + size)))
    expect(lines.map(line => JSON.parse(line))).toEqual([{ a: 'Füchse 🦊' }, { b: '水' }, { c: 1 }])
  })

  it('keeps bytes without a newline for the next chunk', () => {
    const splitter = new LineSplitter()
    expect(splitter.push(Buffer.from('{"a"'))).toEqual([])
    expect(splitter.push(Buffer.from(':1}\n{"b"'))).toEqual(['{"a":1}'])
  })

  it('throws on a line that is longer than the limit, in one chunk or in several', () => {
    const splitter = new LineSplitter(8)
    expect(splitter.push(Buffer.from('12345678\n'))).toEqual(['12345678'])
    splitter.push(Buffer.from('1234'))
    splitter.push(Buffer.from('5678'))
    expect(() => splitter.push(Buffer.from('9'))).toThrow(LineTooLong)
  })

  it('takes any number of lines in one chunk', () => {
    expect(new LineSplitter(8).push(Buffer.from('1234567\n'.repeat(1000)))).toHaveLength(1000)
  })
})
