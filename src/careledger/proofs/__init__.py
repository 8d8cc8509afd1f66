"""Commitments, Merkle trees and transparency logs, and their verification."""
