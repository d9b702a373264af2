{{- define "challenge-operator.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 53 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Chart.Name .Release.Name | trunc 53 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* The policy challenge-operator-accounts knows the account by how its name begins. */}}
{{- define "challenge-operator.account" -}}
{{- $name := include "challenge-operator.name" . -}}
{{- if hasPrefix "challenge-operator" $name }}{{ $name }}-run{{ else }}challenge-operator-{{ $name }}{{ end }}
{{- end }}

{{- define "challenge-operator.selector" -}}
app.kubernetes.io/name: challenge-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "challenge-operator.labels" -}}
{{ include "challenge-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
