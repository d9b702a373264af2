import { describe, expect, it } from 'vitest'
import { databaseUrlOf } from '../../../lib/store/secret-url.ts'

const rds = {
  username: 'operator',
  password: "p@ss/w:rd?#%&'",
  engine: 'postgres',
  host: 'ctf.c9akciq32rgz.eu-central-1.rds.amazonaws.com',
  port: 5432,
  dbname: 'ctf',
  dbInstanceIdentifier: 'ctf',
}

const problemOf = (text: string, base?: string) => {
  const found = databaseUrlOf(text, base)
  return typeof found === 'string' ? undefined : found.problem
}

describe('the URL of a database in a secret', () => {
  it('is the text itself, if that is one', () => {
    expect(databaseUrlOf(' postgres://u:p@h:1/d?sslmode=disable\n', 'postgres://other/x')).toBe(
      'postgres://u:p@h:1/d?sslmode=disable',
    )
    expect(databaseUrlOf(JSON.stringify({ DATABASE_URL: 'postgres://u:p@h/d' }), undefined)).toBe(
      'postgres://u:p@h/d',
    )
  })

  it('is composed from the JSON of RDS, and verified by default', () => {
    const url = new URL(String(databaseUrlOf(JSON.stringify(rds), undefined)))
    expect(url.searchParams.get('sslmode')).toBe('verify-full')
    expect(url.host).toBe(`${rds.host}:5432`)
    expect(url.pathname).toBe('/ctf')
    expect(decodeURIComponent(url.username)).toBe(rds.username)
    expect(decodeURIComponent(url.password)).toBe(rds.password)
  })

  it('takes what a secret that RDS manages lacks from DATABASE_URL', () => {
    const { username, password } = rds
    const base = 'postgres://db.example.com:6432/ctf?sslmode=require'
    const url = new URL(String(databaseUrlOf(JSON.stringify({ username, password }), base)))
    expect(url.host).toBe('db.example.com:6432')
    expect(decodeURIComponent(url.password)).toBe(password)
    expect(url.search).toBe('?sslmode=require')
  })

  it.each([
    ['hunter2', undefined, /neither a Postgres URL nor JSON/],
    ['"hunter2"', undefined, /neither/],
    ['[1]', undefined, /neither/],
    [JSON.stringify({ ...rds, engine: 'mysql' }), undefined, /no Postgres/],
    [JSON.stringify({ username: 'u', password: 'hunter2' }), undefined, /lacks host, dbname/],
    [JSON.stringify({ ...rds, username: '', password: 7 }), undefined, /lacks username, password/],
    [JSON.stringify({ username: 'u', password: 'hunter2' }), 'postgres://h', /lacks dbname/],
  ])('is refused without its value where nothing can be made of it', (text, base, problem) => {
    expect(problemOf(text, base)).toMatch(problem)
    expect(problemOf(text, base)).not.toContain('hunter2')
  })
})
