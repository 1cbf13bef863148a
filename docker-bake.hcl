# The images: docker buildx bake -f docker-bake.hcl, or `make images`, which says the version.

variable "VERSION" { default = "dev" }
variable "REVISION" { default = "" }
variable "CREATED" { default = "" }
variable "SOURCE" { default = "" }

group "default" { targets = ["image"] }

target "image" {
  name       = service
  matrix     = { service = ["api", "orchestrator", "trainer", "inferencer", "control-logger"] }
  dockerfile = "services/${service}/Dockerfile"
  tags       = ["kafka-ml/${service}:${VERSION}"]
  args       = { VERSION = VERSION, REVISION = REVISION, CREATED = CREATED, SOURCE = SOURCE }
}

# Several GB larger, for clusters with GPUs: docker buildx bake -f docker-bake.hcl trainer-gpu
target "trainer-gpu" {
  inherits = ["trainer"]
  args     = { VARIANT = "gpu" }
  tags     = ["kafka-ml/trainer-gpu:${VERSION}"]
}
