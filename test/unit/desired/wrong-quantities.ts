/**
 * Quantities that authors write by mistake, each with the sentence that names the likely right value. Our own check says
 * it, and so do the schema (memory) and the policy (cpu) of the API server.
 */

const cpuExample = 'write for example 500m, 0.5 or 2'
const memoryExample = 'write for example 128Mi or 1Gi'
const most = 'cores, and a challenge may have at most 64; write'

export const wrongCpus: [quantity: string | number, sentence: string][] = [
  [500, `cpu is "500" ${most} 500m for half a core`],
  ['500', `cpu is "500" ${most} 500m for half a core`],
  [250, `cpu is "250" ${most} 250m, or 500m for half a core`],
  ['2000', `cpu is "2000" ${most} 2000m, or 500m for half a core`],
  [64.5, `cpu is "64.5" ${most} 500m for half a core`],
  ['500M', `cpu is "500M" ${most} 500m for half a core`],
  ['1e30', `cpu is "1e30" ${most} 500m for half a core`],
  ['1 core', 'cpu is "1 core", which is no quantity; write 1'],
  ['2cpus', 'cpu is "2cpus", which is no quantity; write 2'],
  ['2vCPU', 'cpu is "2vCPU", which is no quantity; write 2'],
  ['500 m', 'cpu is "500 m", which is no quantity; write 500m'],
  ['500 millicores', 'cpu is "500 millicores", which is no quantity; write 500m'],
  ['0,5', 'cpu is "0,5", which is no quantity; write 0.5'],
  ['fast', `cpu is "fast", which is no quantity; ${cpuExample}`],
  ['50%', `cpu is "50%", which is no quantity; ${cpuExample}`],
  ['', `cpu is "", which is no quantity; ${cpuExample}`],
  ['-1', `cpu is "-1" and must be more than zero; ${cpuExample}`],
  ['0', `cpu is "0" and must be more than zero; ${cpuExample}`],
]

export const wrongMemories: [quantity: string | number, sentence: string][] = [
  ['1g', 'memory is "1g", which is no quantity; write 1Gi'],
  ['1gb', 'memory is "1gb", which is no quantity; write 1Gi'],
  ['512MB', 'memory is "512MB", which is no quantity; write 512Mi'],
  ['512 MiB', 'memory is "512 MiB", which is no quantity; write 512Mi'],
  ['512mi', 'memory is "512mi", which is no quantity; write 512Mi'],
  ['1,5 GB', 'memory is "1,5 GB", which is no quantity; write 1.5Gi'],
  ['2048KB', 'memory is "2048KB", which is no quantity; write 2048Ki'],
  ['1kb', `memory is "1kb", which is no quantity; ${memoryExample}`],
  ['512b', 'memory is "512b", which is no quantity; write 512Mi'],
  ['much', `memory is "much", which is no quantity; ${memoryExample}`],
  ['', `memory is "", which is no quantity; ${memoryExample}`],
  ['512m', 'memory is "512m", which is less than a mebibyte; write 512Mi'],
  ['512', 'memory is "512", which is less than a mebibyte; write 512Mi'],
  [64, 'memory is "64", which is less than a mebibyte; write 64Mi'],
  ['0', `memory is "0", which is less than a mebibyte; ${memoryExample}`],
  ['-1Gi', `memory is "-1Gi", which is less than a mebibyte; ${memoryExample}`],
]
