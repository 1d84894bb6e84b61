{{- define "trotline.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "trotline.labels" -}}
app.kubernetes.io/name: trotline
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "trotline.selector" -}}
app.kubernetes.io/name: trotline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "trotline.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "trotline.tlsSecret" -}}
{{ .Values.tls.existingSecret | default (printf "%s-tls" (include "trotline.name" .)) }}
{{- end }}

{{- define "trotline.claim" -}}
{{ .Values.controlPlane.persistence.existingClaim | default (printf "%s-control-plane" (include "trotline.name" .)) }}
{{- end }}

{{/* Where the pods of one component run: of its values. */}}
{{- define "trotline.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What a sidecar proves its node with, and what it checks the control plane by. */}}
{{- define "trotline.sidecarVolumes" -}}
- name: token
  projected:
    sources:
      - serviceAccountToken: { audience: trotline, expirationSeconds: 3600, path: token }
      - secret:
          name: {{ include "trotline.tlsSecret" . }}
          items: [{ key: ca.crt, path: ca.crt }]
{{- end }}

{{- define "trotline.sidecarArguments" -}}
- --control-plane={{ include "trotline.name" . }}-control-plane.{{ .Release.Namespace }}.svc:{{ .Values.controlPlane.port }}
- --ca=/run/trotline/ca.crt
- --token=/run/trotline/token
- --data=/var/lib/trotline/sidecar
- --policy=/etc/trotline/policy.yaml
- --sources=/etc/trotline/sources.yaml
{{- end }}

{{/* Who made a pod, and whether an agent changed it. */}}
{{- define "trotline.owners" -}}
- { apiGroups: [apps], resources: [replicasets, deployments, statefulsets, daemonsets], verbs: [get] }
- { apiGroups: [batch], resources: [jobs, cronjobs], verbs: [get] }
{{- end }}
