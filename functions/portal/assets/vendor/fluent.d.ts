export * from "../../vendor/fluent";
